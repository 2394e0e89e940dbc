#include "secured.h"

#include "credential.h"
#include "log.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_CHAIN_LEN = 8 };

static bool is_name(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && strchr("._-", text[i]) == NULL)
            return false;
    return len > 0 && len < size;
}

bool secured_valid(const struct wall_secured *facts)
{
    return is_name(facts->protocol, sizeof facts->protocol) &&
           is_name(facts->cipher, sizeof facts->cipher) && facts->resumed <= 1 &&
           facts->chain_len <= sizeof facts->chain &&
           facts->exporter.len <= sizeof facts->exporter.bytes &&
           facts->unique.len <= sizeof facts->unique.bytes;
}

void secured_bind(struct secured *secured, const struct keyring *keyring)
{
    secured->end_points_len = keyring->count;
    for (size_t i = 0; i < keyring->count; i++)
        keyring_end_point(keyring, i, &secured->end_points[i]);
}

/* As many certificates as can be read. */
static unsigned parse_chain(const struct wall_secured *facts,
                            gnutls_x509_crt_t chain[CLIENT_CHAIN_LEN])
{
    const unsigned char *at = facts->chain, *end = at + facts->chain_len;
    unsigned count = 0;
    uint32_t len;

    while (count < CLIENT_CHAIN_LEN && (size_t)(end - at) > sizeof len) {
        memcpy(&len, at, sizeof len);
        at += sizeof len;
        if (len > (size_t)(end - at) || gnutls.x509_crt_init(&chain[count]) != 0)
            break;
        const gnutls_datum_t der = {(unsigned char *)(uintptr_t)at, len};
        if (gnutls.x509_crt_import(chain[count], &der, GNUTLS_X509_FMT_DER) != 0) {
            gnutls.x509_crt_deinit(chain[count]);
            break;
        }
        count++;
        at += len;
    }
    return count;
}

static bool is_verified(const struct keyring *keyring, gnutls_x509_crt_t *chain, unsigned count)
{
    static char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st data = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)purpose, 0};
    char path[SETTINGS_PATH_MAX], problem[CERTIFICATE_PROBLEM_MAX] = "its path is too long";
    gnutls_x509_trust_list_t trusted;
    gnutls_x509_crt_t *authorities;
    unsigned authorities_len, status = ~0U;

    if (certificate_path(keyring->folder, &keyring->settings->tls_client_ca, path) != 0 ||
        certificate_read_chain(&authorities, &authorities_len, path, problem) != 0) {
        log_event(EVENT_TLS_UNAVAILABLE, "what", "tls-client-ca", "error", problem, NULL);
        return false;
    }
    if (gnutls.x509_trust_list_init(&trusted, 0) != 0)
        return false;
    gnutls.x509_trust_list_add_cas(trusted, authorities, authorities_len, 0);
    free(authorities); /* what they point to is the list's now */
    int error =
        gnutls.x509_trust_list_verify_crt2(trusted, chain, count, &data, 1, 0, &status, NULL);
    gnutls.x509_trust_list_deinit(trusted, 1);
    return error == 0 && status == 0;
}

/* Is this name in the certificate an address of a user? Then it is the one. */
static void try_user(struct secured *secured, struct database *db, const char *name, size_t len)
{
    struct directory_user user;
    struct address address;
    char key[ADDRESS_KEY_MAX];

    if (secured->client_user_len > 0 || address_parse(name, len, &address) != ADDRESS_OK ||
        address.domain_len == 0)
        return;
    size_t key_len = address_key(&address, key);
    if (directory_user(db, key, key_len, &user) != 1 || user.disabled ||
        credential_exists(db, key, key_len) != 1) /* locked, or only receives */
        return;
    memcpy(secured->client_user, key, key_len);
    secured->client_user_len = key_len;
}

/* The name that stands for it: the first mail address, else the common name. */
static void take_names(struct secured *secured, struct database *db, gnutls_x509_crt_t crt)
{
    char name[SECURED_NAME_MAX];

    for (unsigned i = 0;; i++) {
        size_t len = sizeof name;
        int kind = gnutls.x509_crt_get_subject_alt_name(crt, i, name, &len, NULL);
        if (kind == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        if (kind < 0)
            break;
        if (kind != GNUTLS_SAN_RFC822NAME || len >= sizeof name || memchr(name, '\0', len) != NULL)
            continue; /* a NUL would hide what stands behind it */
        try_user(secured, db, name, len);
        if (secured->client[0] == '\0')
            memcpy(secured->client, name, len);
    }
    size_t len = sizeof name;
    if (gnutls.x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) != 0 ||
        len >= sizeof name || memchr(name, '\0', len) != NULL)
        return;
    if (secured->client[0] != '\0')
        return;
    memcpy(secured->client, name, len);
    try_user(secured, db, name, len);
}

void secured_identify(struct secured *secured, const struct keyring *keyring, struct database *db)
{
    gnutls_x509_crt_t chain[CLIENT_CHAIN_LEN];
    unsigned count = 0;

    secured->client[0] = '\0';
    secured->client_user_len = 0;
    if (keyring->settings->tls_client_ca.len == 0 || secured->facts.chain_len == 0)
        return;
    count = parse_chain(&secured->facts, chain);
    if (count > 0 && is_verified(keyring, chain, count)) {
        memset(secured->client, 0, sizeof secured->client);
        take_names(secured, db, chain[0]);
    } else {
        log_event(EVENT_CLIENT_CERTIFICATE, "verified", "no", NULL);
    }
    for (unsigned i = 0; i < count; i++)
        gnutls.x509_crt_deinit(chain[i]);
}
