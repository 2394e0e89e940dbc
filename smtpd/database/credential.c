#include "credential.h"

#include "../base/gnutls.h"
#include "../base/library.h"
#include "../base/saslprep.h"
#include "hash_cost.h"
#include "record.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

LIBRARY_NOTE("libcrypt.so.1", "auth", "Passwords", "recommended");

enum { FAKE_SALT_LEN = 16, FAKE_ITERATIONS = 4096 };

/* For a database that names no decoy: nobody's password. */
static const char decoy[] =
    "$y$j9T$pTRxEQaQ5TSDjSTwlI14X.$ujCBH3p6W8YsChJdw0KDGhFRMWXOAx.IMfQ8cb9/qu6";

/* The verifiers of a user have iterations and salt in common. */
static bool add_verifier(struct slice text, struct credential *credential)
{
    if (credential->verifiers_len == SCRAM_VERIFIERS)
        return false;
    struct scram_verifier *verifier = &credential->verifiers[credential->verifiers_len++];
    return scram_verifier_parse(text, verifier) && verifier->salt_len > 0 &&
           verifier->iterations <= SCRAM_ITERATIONS_MAX;
}

static void set_hash(struct credential *credential, struct slice text)
{
    size_t len = text.len < sizeof credential->hash ? text.len : sizeof credential->hash - 1;

    *(char *)mempcpy(credential->hash, text.at, len) = '\0';
}

/* The salt that this user would have: always the same, and indistinguishable from a real one. */
static void fake_salt(struct credential *credential, struct slice secret, struct slice key)
{
    unsigned char mac[SCRAM_KEY_LEN];

    if (gnutls.hmac_fast(GNUTLS_MAC_SHA256, secret.at, secret.len, key.at, key.len, mac) != 0)
        abort();
    credential->verifiers[0].salt_len = FAKE_SALT_LEN;
    memcpy(credential->verifiers[0].salt, mac, FAKE_SALT_LEN);
}

/* Fills in what a user without a password has. */
static int use_decoy(struct database *db, struct slice key, struct credential *credential)
{
    struct slice text = {0}, name, value, secret = {"", 0};
    uint64_t *iterations = &credential->verifiers[0].iterations, number;
    int more = 0;

    if (database_find(db, "auth", (struct slice){0}, &text) < 0)
        return -1;
    set_hash(credential, (struct slice){decoy, sizeof decoy - 1});
    *iterations = FAKE_ITERATIONS;
    while ((more = record_line(&text, &name, &value)) == 1) {
        if (slice_is(name, "decoy") && hash_cost_wrong(value) == NULL)
            set_hash(credential, value);
        else if (slice_is(name, "secret"))
            secret = value;
        else if (slice_is(name, "iterations") && slice_number(value, &number) &&
                 number <= SCRAM_ITERATIONS_MAX)
            *iterations = number;
    }
    fake_salt(credential, secret, key);
    return more;
}

int credential_find(struct database *db, struct slice key, struct credential *credential)
{
    struct slice text, name, value;
    int more;

    *credential = (struct credential){.real = false};
    if (use_decoy(db, key, credential) != 0)
        return -1;
    int found = database_find(db, "credential", key, &text);
    if (found <= 0)
        return found;
    credential->real = true;
    while ((more = record_line(&text, &name, &value)) == 1) {
        if (slice_is(name, "crypt")) {
            credential->too_costly = hash_cost_wrong(value) != NULL;
            set_hash(credential, value);
            credential->has_hash = true;
        } else if (slice_is(name, "scram-sha-256") && !add_verifier(value, credential)) {
            return -1;
        }
    }
    return more;
}

int credential_exists(struct database *db, struct slice key)
{
    struct slice ignored;

    return database_find(db, "credential", key, &ignored);
}

bool credential_has_scram(struct database *db)
{
    struct slice text, name, value;

    if (database_find(db, "auth", (struct slice){0}, &text) != 1)
        return false;
    while (record_line(&text, &name, &value) == 1)
        if (slice_is(name, "scram") && slice_is(value, "yes"))
            return true;
    return false;
}

/* Does this form of the password, with a NUL after it, match? */
static int check_form(const struct credential *credential, struct slice password)
{
    static __typeof__(&crypt_r) hash_password;
    static struct crypt_data data;
    static const struct library_symbol symbol = {"crypt_r", &hash_password};
    struct scram_verifier own = credential->verifiers[0];
    bool fits = false;

    if (hash_password == NULL && library_load("libcrypt.so.1", &symbol, 1) != 0)
        return -1;
    const char *made = hash_password(password.at, credential->hash, &data);
    size_t hash_len = strlen(credential->hash);
    if (made != NULL && *made != '*' && strlen(made) == hash_len && credential->has_hash)
        fits = gnutls.memcmp(made, credential->hash, hash_len) == 0;
    explicit_bzero(&data, sizeof data);
    if (fits)
        return 1;
    /* A user may have only SCRAM verifiers. The keys are derived for all others as well, which
     * takes the same time. */
    if (scram_verifier_make(&own, password) != 0)
        return -1;
    for (size_t i = 0; !credential->has_hash && i < credential->verifiers_len; i++)
        fits |=
            gnutls.memcmp(own.stored_key, credential->verifiers[i].stored_key, SCRAM_KEY_LEN) == 0;
    explicit_bzero(&own, sizeof own);
    return fits;
}

int credential_check(const struct credential *credential, struct slice password)
{
    char prepared[SASLPREP_MAX], raw[SASLPREP_MAX];
    int result = 0;

    if (password.len > CREDENTIAL_PASSWORD_MAX)
        return 0;
    int len = saslprep(password, SASLPREP_COMPATIBLE, prepared);
    *(char *)mempcpy(raw, password.at, password.len) = '\0';
    struct slice form = {prepared, len < 0 ? 0 : (size_t)len};
    if (len >= 0)
        result = check_form(credential, form);
    /* A hash that was made elsewhere may be of the password as it was typed. */
    if (result == 0 && (len < 0 || !slice_equal(form, password)))
        result = check_form(credential, (struct slice){raw, password.len});
    explicit_bzero(prepared, sizeof prepared);
    explicit_bzero(raw, sizeof raw);
    return result > 0 && !credential->real ? 0 : result;
}
