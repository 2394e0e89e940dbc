/*
 * json: JSON strings (RFC 8259) of any bytes.
 */
#ifndef MAILSLOT_JSON_H
#define MAILSLOT_JSON_H

#include "text_file.h"

#include <stdio.h>

/* Writes the text with quotes around it. A byte XX that is not UTF-8 (names of files may have
 * them) becomes \udcXX, of which Python's os.fsencode() makes the byte again. */
void json_string(FILE *to, struct slice text);

#endif
