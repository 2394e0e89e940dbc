/*
 * phrase: a person's name before an address (RFC 5322 section 3.2.5, RFC 2047). Pure.
 */
#ifndef MAILSLOT_PHRASE_H
#define MAILSLOT_PHRASE_H

#include "../../smtpd/base/slice.h"

#include <stdio.h>

/* Writes the name, which is UTF-8: as it is, quoted without control characters, or in encoded
 * words. */
void phrase_write(struct slice name, FILE *to);

#endif
