#include "scram_keys.h"

#include "../base/gnutls.h"

#include <stdint.h>
#include <string.h>

int scram_keys(const char *password, size_t len, const unsigned char *salt, size_t salt_len,
               unsigned iterations, unsigned char stored_key[SCRAM_KEY_LEN],
               unsigned char server_key[SCRAM_KEY_LEN])
{
    static const char client[] = "Client Key", server[] = "Server Key";
    const gnutls_datum_t secret = {(unsigned char *)(uintptr_t)password, (unsigned)len};
    const gnutls_datum_t with = {(unsigned char *)(uintptr_t)salt, (unsigned)salt_len};
    unsigned char salted[SCRAM_KEY_LEN], client_key[SCRAM_KEY_LEN];

    int error = gnutls.pbkdf2(GNUTLS_MAC_SHA256, &secret, &with, iterations, salted, sizeof salted);
    if (error == 0)
        error = gnutls.hmac_fast(GNUTLS_MAC_SHA256, salted, sizeof salted, client,
                                 sizeof client - 1, client_key);
    if (error == 0)
        error = gnutls.hash_fast(GNUTLS_DIG_SHA256, client_key, sizeof client_key, stored_key);
    if (error == 0)
        error = gnutls.hmac_fast(GNUTLS_MAC_SHA256, salted, sizeof salted, server,
                                 sizeof server - 1, server_key);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client_key, sizeof client_key);
    return error == 0 ? 0 : -1;
}
