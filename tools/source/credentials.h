/*
 * credentials: the credentials field of `users`: a hash of the password by crypt(3), SCRAM
 * verifiers, or both, separated by blanks.
 */
#ifndef MAILSLOT_CREDENTIALS_H
#define MAILSLOT_CREDENTIALS_H

#include "../../smtpd/base/slice.h"
#include "../../smtpd/database/scram_verifier.h"

#include <crypt.h>
#include <stdbool.h>

enum {
    CREDENTIALS_ITERATIONS_MIN = 4096,
    CREDENTIALS_SALT_MIN = 8, /* bytes, of a verifier */
    CREDENTIALS_MAX = 1024,   /* room for what credentials_make() makes, NUL included */
};

struct credentials {
    bool locked; /* the field begins with '!' */
    uint8_t verifiers_len;
    struct slice hash; /* what crypt(3) takes, without '!' and {SCHEME}; empty: none */
    struct slice verifiers[SCRAM_VERIFIERS]; /* ITERATIONS,SALT,STOREDKEY,SERVERKEY */
};

/* Parses a credentials field. NULL, or what is wrong, as a static string. */
const char *credentials_parse(struct slice field, struct credentials *credentials);

/* Is there no password at all, locked or not? */
bool credentials_is_empty(const struct credentials *credentials);

/*
 * Makes all credentials of one password, UTF-8 and NUL-terminated: a yescrypt hash, a verifier, and
 * a second one if the password has a second form. 0, or -1 with errno. It needs GnuTLS, and also
 * libunistring for a password that is not ASCII.
 */
int credentials_make(const char *password, char field[CREDENTIALS_MAX]);

/* Hashes a random password, with the kind and cost of this setting. 0, or -1 with errno. */
int credentials_make_decoy(struct slice setting, char hash[CRYPT_OUTPUT_SIZE]);

/* What credentials_make() uses: its setting of yescrypt, and the iterations of its verifiers. */
#define CREDENTIALS_SETTING "$y$j9T$"
#define CREDENTIALS_ITERATIONS "10000"

#endif
