/*
 * certificate_text: a certificate (certificate.h) described for people: its names and dates.
 */
#ifndef MAILSLOT_CERTIFICATE_TEXT_H
#define MAILSLOT_CERTIFICATE_TEXT_H

#include "../../smtpd/database/certificate.h"

#include <stdbool.h>
#include <stdio.h>

enum { CERTIFICATE_LEFT_MAX = 32 };

/* Not valid yet? */
bool certificate_is_early(const struct certificate *certificate);

/* Should it have been renewed by now? Yes if less than two weeks are left, and also less than a
 * quarter of its lifetime, because some certificates are valid for six days only. */
bool certificate_ends_soon(const struct certificate *certificate);

/* How long it remains valid, such as "9 days". */
void certificate_write_left(const struct certificate *certificate, char text[CERTIFICATE_LEFT_MAX]);

/* Prints "KIND, valid until DATE, for NAME..."; IP addresses are among the names. */
void certificate_print(const struct certificate *certificate, FILE *to);

#endif
