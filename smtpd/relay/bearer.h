/*
 * bearer: what a client says to log in by a token (OAuth 2.0), before base64. Pure.
 */
#ifndef MAILSLOT_BEARER_H
#define MAILSLOT_BEARER_H

#include "../base/slice.h"

#include <stdint.h>

/* OAUTHBEARER (RFC 7628 section 3.1). Returns the length, or 0 if it does not fit. */
size_t bearer_write(struct slice user, struct slice host, uint16_t port, struct slice token,
                    char *to, size_t size);

/* XOAUTH2, Google's and Microsoft's form before there was a standard. */
size_t bearer_write_xoauth2(struct slice user, struct slice token, char *to, size_t size);

#endif
