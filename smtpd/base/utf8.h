/*
 * utf8: one character of UTF-8 (RFC 3629) at a time.
 */
#ifndef MAILSLOT_UTF8_H
#define MAILSLOT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length of the character that text begins with, or 0 if it does not begin with one; len is
 * at least 1. */
size_t utf8_decode(const char *text, size_t len, uint32_t *c);

#endif
