/*
 * hash: the credentials field of `users`: a password as hashed by crypt(3), verifiers for SCRAM, or
 * both, separated by blanks.
 */
#ifndef MAILSLOT_HASH_H
#define MAILSLOT_HASH_H

#include "../../smtpd/database/scram_keys.h"
#include "../kit/text.h"

#include <crypt.h>
#include <stdbool.h>

enum {
    HASH_ITERATIONS_MIN = 4096,
    HASH_SALT_MIN = 8,     /* bytes, of a verifier */
    HASH_FIELD_MAX = 1024, /* room for what hash_make() makes, NUL included */
};

struct hash {
    bool locked; /* a '!' stands before it all */
    uint8_t verifiers_len;
    struct slice text; /* what crypt(3) takes, without '!' and {SCHEME}; empty: none */
    struct slice verifiers[SCRAM_VERIFIERS]; /* ITERATIONS,SALT,STOREDKEY,SERVERKEY */
};

/* Takes a credentials field apart. NULL, or what is wrong, as a static string. */
const char *hash_parse(struct slice field, struct hash *hash);

/* Is there no password at all, locked or not? */
bool hash_is_empty(const struct hash *hash);

/* The kind of a hash, as crypt(5) names it. */
const char *hash_kind(struct slice text);

/* Kind and cost of a hash: all that stands before its salt. At NULL: of no known kind. */
struct slice hash_setting(struct slice text);

/* The iterations of a verifier, as they stand there. */
struct slice hash_iterations(struct slice verifier);

/*
 * Makes all credentials of one password, UTF-8 and NUL-terminated: a yescrypt hash, a verifier, and
 * a second one if the password has a second form. 0, or -1 with errno. It needs GnuTLS, and for a
 * password that is not ASCII libunistring, too.
 */
int hash_make(const char *password, char field[HASH_FIELD_MAX]);

/* Hashes nobody's password, at the kind and cost of a setting. 0, or -1 with errno. */
int hash_make_decoy(struct slice setting, char hash[CRYPT_OUTPUT_SIZE]);

/* What hash_make() uses: its setting of yescrypt, and the iterations of its verifiers. */
#define HASH_SETTING "$y$j9T$"
#define HASH_ITERATIONS "10000"

#endif
