/*
 * json: any bytes as a JSON string (RFC 8259).
 */
#ifndef MAILSLOT_JSON_H
#define MAILSLOT_JSON_H

#include "../../smtpd/base/slice.h"

#include <stdio.h>

/* Writes the text with quotes around it. A byte XX that is not UTF-8, as in some file names,
 * becomes \udcXX, which Python's os.fsencode() turns back into that byte. */
void json_string(FILE *to, struct slice text);

#endif
