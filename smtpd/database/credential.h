/*
 * credential: what a user's password is checked against (records `credential` and `auth` of
 * mailslot.cdb(5)).
 *
 * Users who do not exist, have no password, are locked or disabled have a credential as well: a
 * decoy of the same kind that no password matches, so that neither the reply nor the time tells
 * them apart.
 */
#ifndef MAILSLOT_CREDENTIAL_H
#define MAILSLOT_CREDENTIAL_H

#include "database.h"
#include "scram_verifier.h"

enum {
    CREDENTIAL_HASH_MAX = 384,     /* CRYPT_OUTPUT_SIZE */
    CREDENTIAL_PASSWORD_MAX = 511, /* bytes: crypt(3) takes no more */
};

struct credential {
    bool real;                      /* else a decoy: no password matches */
    char hash[CREDENTIAL_HASH_MAX]; /* crypt(3); the decoy's where the user has none */
    bool has_hash;                  /* it is the user's own */
    bool too_costly;                /* ... and must not be checked: hash_cost.h */
    size_t verifiers_len;
    struct scram_verifier verifiers[SCRAM_VERIFIERS]; /* if there is none, the first has the decoy's
                                                         iterations and salt */
};

/* Finds the credential of this key, real or not. gnutls_load() first. 0, or -1 if the database
 * is damaged. To be wiped. */
int credential_find(struct database *db, struct slice key, struct credential *credential);

/* Is there a real one? 1, 0, or -1 if the database is damaged. */
int credential_exists(struct database *db, struct slice key);

/* Does any user have a SCRAM verifier? */
bool credential_has_scram(struct database *db);

/* Does the password match? Not to be called if the hash is too costly. A wrong password takes as
 * long as the right one. 1, 0, or -1: it cannot be checked here. */
int credential_check(const struct credential *credential, struct slice password);

#endif
