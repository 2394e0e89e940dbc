#include "credentials.h"

#include "../../smtpd/base/base64.h"
#include "../../smtpd/base/gnutls.h"
#include "../../smtpd/base/saslprep.h"
#include "hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SALT_LEN = 16, DECOY_LEN = 32 };

/*
 * Why CREDENTIALS_ITERATIONS is not higher: every session costs the client that many iterations.
 * RFC 7677 section 4 asks for 4096, which took a telephone of 2015 half a second; 10000 take one of
 * today less. They also cost the server time for each wrong password of PLAIN, and anybody can send
 * these. More iterations would gain little. Somebody who has stolen the file tries passwords
 * against the verifier, which is cheaper than the yescrypt hash, but ten times the iterations are
 * worth only one more digit in the password. The file must be kept secret, as any file of hashes,
 * and the password must be a good one (password_check.h).
 */

/* crypt(3) into the caller's buffer. Its own memory is wiped. */
static int run_crypt(const char *password, const char *setting, char hash[CRYPT_OUTPUT_SIZE])
{
    static struct crypt_data data; /* 32 KiB */
    const char *output = crypt_r(password, setting, &data);
    int error = errno, result = -1;

    if (output != NULL && *output != '*') {
        memcpy(hash, output, strlen(output) + 1);
        result = 0;
    }
    explicit_bzero(&data, sizeof data);
    errno = error;
    return result;
}

/* ` {SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY` */
static int add_verifier(struct slice prepared, const unsigned char salt[SALT_LEN], char *field)
{
    struct scram_verifier verifier = {.iterations = strtoul(CREDENTIALS_ITERATIONS, NULL, 10),
                                      .salt_len = SALT_LEN};
    char salt_text[BASE64_SIZE(SALT_LEN)], stored[BASE64_SIZE(SCRAM_KEY_LEN)],
        server[BASE64_SIZE(SCRAM_KEY_LEN)];

    memcpy(verifier.salt, salt, SALT_LEN);
    int result = scram_verifier_make(&verifier, prepared);
    if (result == 0) {
        base64_encode((const char *)salt, SALT_LEN, salt_text);
        base64_encode((const char *)verifier.stored_key, SCRAM_KEY_LEN, stored);
        base64_encode((const char *)verifier.server_key, SCRAM_KEY_LEN, server);
        size_t used = strlen(field);
        snprintf(field + used, CREDENTIALS_MAX - used,
                 " {SCRAM-SHA-256}" CREDENTIALS_ITERATIONS ",%s,%s,%s", salt_text, stored, server);
        explicit_bzero(stored, sizeof stored);
        explicit_bzero(server, sizeof server);
    } else {
        errno = EIO;
    }
    explicit_bzero(&verifier, sizeof verifier);
    return result;
}

/* From the two forms of a password. */
static int make_field(const struct slice forms[], char field[CREDENTIALS_MAX])
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    unsigned char salt[SALT_LEN];

    if (crypt_gensalt_rn(CREDENTIALS_SETTING, 0, NULL, 0, setting, sizeof setting) == NULL ||
        run_crypt(forms[SASLPREP_COMPATIBLE].at, setting, field) != 0)
        return -1;
    if (getrandom(salt, sizeof salt, 0) != sizeof salt)
        return -1;
    for (int form = SASLPREP_COMPATIBLE; form <= SASLPREP_OPAQUE; form++)
        if ((form == SASLPREP_COMPATIBLE || !slice_equal(forms[0], forms[form])) &&
            add_verifier(forms[form], salt, field) != 0)
            return -1;
    return 0;
}

int credentials_make(const char *password, char field[CREDENTIALS_MAX])
{
    char prepared[2][SASLPREP_MAX];
    struct slice forms[2];
    bool can_be = true;
    int result = -1;

    if (gnutls_load() != 0)
        return -1;
    for (int form = SASLPREP_COMPATIBLE; form <= SASLPREP_OPAQUE; form++) {
        int len = saslprep(slice_of(password), (enum saslprep_form)form, prepared[form]);
        can_be = can_be && len >= 0;
        forms[form] = (struct slice){prepared[form], len < 0 ? 0 : (size_t)len};
    }
    if (can_be)
        result = make_field(forms, field);
    else
        errno = EINVAL;
    int error = errno;
    explicit_bzero(prepared, sizeof prepared);
    if (result != 0)
        explicit_bzero(field, CREDENTIALS_MAX);
    errno = error;
    return result;
}

/* crypt_gensalt(3) makes the salt; the cost that it writes before it is replaced by that of the
 * setting. */
int credentials_make_decoy(struct slice setting, char hash[CRYPT_OUTPUT_SIZE])
{
    char secret[DECOY_LEN], password[BASE64_SIZE(DECOY_LEN)], made[CRYPT_GENSALT_OUTPUT_SIZE];
    char whole[CRYPT_OUTPUT_SIZE + CRYPT_GENSALT_OUTPUT_SIZE], prefix[16];

    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return -1;
    base64_encode(secret, sizeof secret, password);
    snprintf(prefix, sizeof prefix, "%.*s", SLICE(setting));
    if (strncmp(prefix, "$2x$", 4) == 0) /* crypt_gensalt(3) does not support this broken kind */
        prefix[2] = 'b';
    int result = -1;
    if (crypt_gensalt_rn(prefix, 0, NULL, 0, made, sizeof made) != NULL) {
        size_t cost = hash_setting(slice_of(made)).len;
        snprintf(whole, sizeof whole, "%.*s%s", SLICE(setting), made + cost);
        result = run_crypt(password, whole, hash);
    }
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(password, sizeof password);
    return result;
}
