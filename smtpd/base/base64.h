/*
 * base64: RFC 4648 section 4, decoded strictly. Pure.
 */
#ifndef MAILSLOT_BASE64_H
#define MAILSLOT_BASE64_H

#include "slice.h"

#include <stddef.h>

/* Room for the base64 of so many bytes, with its NUL. */
#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

/* Writes base64, NUL-terminated. Returns its length. */
size_t base64_encode(const char *bytes, size_t len, char *to);

/* Reads base64 with its padding and nothing else: no blanks, no bits after the last byte. Returns
 * the length, or -1 if it is not base64 or longer than max. */
ptrdiff_t base64_decode(struct slice text, char *to, size_t max);

#endif
