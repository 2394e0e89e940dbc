/*
 * pair: a certificate with its key (certificate.h), as people look at it.
 */
#ifndef MAILSLOT_PAIR_H
#define MAILSLOT_PAIR_H

#include "../../smtpd/database/certificate.h"

#include <stdbool.h>
#include <stdio.h>

enum { PAIR_LEFT_MAX = 32 };

/* Not valid yet? */
bool pair_is_early(const struct certificate *certificate);

/* Will it expire soon, so that it should have been renewed by now? In less than two weeks, and than
 * a quarter of its lifetime, as there are certificates for six days. */
bool pair_ends_soon(const struct certificate *certificate);

/* How long it is good for, as in "9 days". */
void pair_write_left(const struct certificate *certificate, char text[PAIR_LEFT_MAX]);

/* Prints "KIND, good until DATE, for NAME..."; addresses are names, too. */
void pair_print(const struct certificate *certificate, FILE *to);

#endif
