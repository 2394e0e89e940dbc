/*
 * pair: a certificate with its key (certificate.h), as people look at it.
 */
#ifndef MAILSLOT_PAIR_H
#define MAILSLOT_PAIR_H

#include "../smtpd/back/certificate.h"

#include <stdbool.h>
#include <stdio.h>

enum { PAIR_SOON_DAYS = 14 };

/* Not valid yet? */
bool pair_is_early(const struct certificate *certificate);

/* Whole days until it expires. */
int pair_days_left(const struct certificate *certificate);

/* Prints "KIND, good until DATE, for NAME..." */
void pair_print(const struct certificate *certificate, FILE *to);

#endif
