/*
 * certificate_text: what people want to know of a certificate (certificate.h).
 */
#ifndef MAILSLOT_CERTIFICATE_TEXT_H
#define MAILSLOT_CERTIFICATE_TEXT_H

#include "../../smtpd/database/certificate.h"

#include <stdbool.h>
#include <stdio.h>

enum { CERTIFICATE_LEFT_MAX = 32 };

/* Not valid yet? */
bool certificate_is_early(const struct certificate *certificate);

/* Will it expire soon, so that it should have been renewed by now? In less than two weeks, and than
 * a quarter of its lifetime, as there are certificates for six days. */
bool certificate_ends_soon(const struct certificate *certificate);

/* How long it is good for, as in "9 days". */
void certificate_write_left(const struct certificate *certificate, char text[CERTIFICATE_LEFT_MAX]);

/* Prints "KIND, good until DATE, for NAME..."; addresses are names, too. */
void certificate_print(const struct certificate *certificate, FILE *to);

#endif
