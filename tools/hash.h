/*
 * hash: the credentials field of `users`, a password as hashed by crypt(3).
 */
#ifndef MAILSLOT_HASH_H
#define MAILSLOT_HASH_H

#include "text.h"

#include <stdbool.h>

struct hash {
    bool locked;       /* a '!' stands before it */
    struct slice text; /* what crypt(3) takes, without '!' and {SCHEME}; empty: none */
};

/* Takes a credentials field apart. NULL, or what is wrong, as a static string. */
const char *hash_parse(struct slice field, struct hash *hash);

/* The kind of a hash, as crypt(5) names it. */
const char *hash_kind(struct slice text);

/* Hashes a password (yescrypt). Returns the hash, to be freed, or NULL with errno. */
char *hash_make(const char *password);

#endif
