#include "scram_verifier.h"

#include "../base/base64.h"
#include "../base/gnutls.h"

#include <string.h>

static bool decode_key(struct slice text, unsigned char key[SCRAM_KEY_LEN])
{
    return base64_decode(text, (char *)key, SCRAM_KEY_LEN) == SCRAM_KEY_LEN;
}

bool scram_verifier_parse(struct slice text, struct scram_verifier *verifier)
{
    struct slice iterations = slice_cut(&text, ','), salt = slice_cut(&text, ',');
    struct slice stored_key = slice_cut(&text, ',');
    ptrdiff_t salt_len = base64_decode(salt, (char *)verifier->salt, sizeof verifier->salt);

    verifier->salt_len = salt_len < 0 ? 0 : (size_t)salt_len;
    return slice_number(iterations, &verifier->iterations) && *iterations.at != '0' &&
           decode_key(stored_key, verifier->stored_key) && decode_key(text, verifier->server_key);
}

int scram_verifier_make(struct scram_verifier *verifier, struct slice password)
{
    static const char client[] = "Client Key", server[] = "Server Key";
    const gnutls_datum_t secret = {(unsigned char *)(uintptr_t)password.at, (unsigned)password.len};
    const gnutls_datum_t salt = {verifier->salt, (unsigned)verifier->salt_len};
    unsigned char salted[SCRAM_KEY_LEN], client_key[SCRAM_KEY_LEN];

    int error = gnutls.pbkdf2(GNUTLS_MAC_SHA256, &secret, &salt, (unsigned)verifier->iterations,
                              salted, sizeof salted);
    if (error == 0)
        error = gnutls.hmac_fast(GNUTLS_MAC_SHA256, salted, sizeof salted, client,
                                 sizeof client - 1, client_key);
    if (error == 0)
        error = gnutls.hash_fast(GNUTLS_DIG_SHA256, client_key, sizeof client_key,
                                 verifier->stored_key);
    if (error == 0)
        error = gnutls.hmac_fast(GNUTLS_MAC_SHA256, salted, sizeof salted, server,
                                 sizeof server - 1, verifier->server_key);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client_key, sizeof client_key);
    return error == 0 ? 0 : -1;
}
