/*
 * scram_keys: what SCRAM-SHA-256 keeps of a password (RFC 5802 section 3, RFC 7677).
 */
#ifndef MAILSLOT_SCRAM_KEYS_H
#define MAILSLOT_SCRAM_KEYS_H

#include <stddef.h>

enum {
    SCRAM_KEY_LEN = 32, /* bytes: SHA-256 */
    SCRAM_SALT_MAX = 64,
    SCRAM_VERIFIERS = 2, /* of one password in two forms: ../saslprep.h */
    SCRAM_ITERATIONS_MAX = 1000000,
};

/* Derives StoredKey and ServerKey of a prepared password. gnutls_load() first. 0, or -1. */
int scram_keys(const char *password, size_t len, const unsigned char *salt, size_t salt_len,
               unsigned iterations, unsigned char stored_key[SCRAM_KEY_LEN],
               unsigned char server_key[SCRAM_KEY_LEN]);

#endif
