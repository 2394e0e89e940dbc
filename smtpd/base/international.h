/*
 * international: addresses that are not ASCII (RFC 6531), in the one form under which they are kept
 * and looked up: the local part by Unicode's NFC and case folding, the domain as A-labels (RFC
 * 5890), `xn--...`. Libraries are loaded when the first such address comes.
 *
 * Functions return 0, or -1 with errno: ENOSYS where libidn2 or libunistring is missing, EINVAL if
 * there can be no such name.
 */
#ifndef MAILSLOT_INTERNATIONAL_H
#define MAILSLOT_INTERNATIONAL_H

#include "address.h"

/* Folds an address in place; one that is ASCII stays as it is. */
int international_fold(struct address *address);

/* Was one of the libraries needed, but missing? */
bool international_missing(void);

/* The A-labels of a domain, NUL-terminated, in lower case. */
int international_domain(struct slice domain, char to[ADDRESS_DOMAIN_MAX + 1]);

#endif
