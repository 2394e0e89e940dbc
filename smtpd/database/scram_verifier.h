/*
 * scram_verifier: what SCRAM-SHA-256 keeps of a password (RFC 5802 section 3, RFC 7677).
 */
#ifndef MAILSLOT_SCRAM_VERIFIER_H
#define MAILSLOT_SCRAM_VERIFIER_H

#include "../base/slice.h"

#include <stdint.h>

enum {
    SCRAM_KEY_LEN = 32, /* bytes: SHA-256 */
    SCRAM_SALT_MAX = 64,
    SCRAM_VERIFIERS = 2, /* of one password in two forms: ../base/saslprep.h */
    SCRAM_ITERATIONS_MAX = 1000000,
};

struct scram_verifier {
    uint64_t iterations;
    size_t salt_len; /* 0: the salt is not base64, or too long */
    unsigned char salt[SCRAM_SALT_MAX], stored_key[SCRAM_KEY_LEN], server_key[SCRAM_KEY_LEN];
};

/* Reads `ITERATIONS,SALT,STOREDKEY,SERVERKEY`, the last three in base64. False: that is not what it
 * is. How many iterations there are and how long the salt is are for the caller to judge. */
bool scram_verifier_parse(struct slice text, struct scram_verifier *verifier);

/* Makes StoredKey and ServerKey of a prepared password, iterations and salt being set.
 * gnutls_load() first. 0, or -1. */
int scram_verifier_make(struct scram_verifier *verifier, struct slice password);

#endif
