#include "client_certificate.h"

#include "../database/credential.h"
#include "../wall/chain.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

enum { CLIENT_CHAIN_LEN = 8 };

/* As many certificates as can be read. */
static unsigned parse_chain(const struct wall_secured *facts,
                            gnutls_x509_crt_t chain[CLIENT_CHAIN_LEN])
{
    struct slice left = {(const char *)facts->chain, facts->chain_len}, one;
    unsigned count = 0;

    while (count < CLIENT_CHAIN_LEN && chain_next(&left, &one) == 1) {
        const gnutls_datum_t der = {(unsigned char *)(uintptr_t)one.at, (unsigned)one.len};
        if (gnutls.x509_crt_init(&chain[count]) != 0)
            break;
        if (gnutls.x509_crt_import(chain[count], &der, GNUTLS_X509_FMT_DER) != 0) {
            gnutls.x509_crt_deinit(chain[count]);
            break;
        }
        count++;
    }
    return count;
}

/* Why it cannot be trusted for this purpose, as bits of gnutls_certificate_status_t; 0: it can. */
static unsigned faults_for(gnutls_x509_trust_list_t trusted, gnutls_x509_crt_t *chain,
                           unsigned count, const char *purpose)
{
    gnutls_typed_vdata_st data = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)purpose,
                                  0};
    unsigned status;
    int error =
        gnutls.x509_trust_list_verify_crt2(trusted, chain, count, &data, 1, 0, &status, NULL);

    return error == 0 ? status : (unsigned)GNUTLS_CERT_INVALID;
}

/* *client: its faults as a client's certificate, *server: as a server's. 0, or -1: it was logged.
 */
static int verify(const struct keyring *keyring, gnutls_x509_crt_t *chain, unsigned count,
                  unsigned *client, unsigned *server)
{
    char path[SETTINGS_PATH_MAX], problem[CERTIFICATE_PROBLEM_MAX] = "its path is too long";
    gnutls_x509_trust_list_t trusted;
    gnutls_x509_crt_t *authorities;
    unsigned authorities_len;

    if (certificate_path(keyring->folder, keyring->settings->tls_client_ca, path) != 0 ||
        certificate_read_chain(&authorities, &authorities_len, path, problem) != 0) {
        log_event(EVENT_TLS_UNAVAILABLE, "what", "tls-client-ca", "error", problem, NULL);
        return -1;
    }
    if (gnutls.x509_trust_list_init(&trusted, 0) != 0)
        return -1;
    gnutls.x509_trust_list_add_cas(trusted, authorities, authorities_len, 0);
    free(authorities); /* the list owns what they point to */
    *client = faults_for(trusted, chain, count, GNUTLS_KP_TLS_WWW_CLIENT);
    *server = *client == 0 ? 0 : faults_for(trusted, chain, count, GNUTLS_KP_TLS_WWW_SERVER);
    gnutls.x509_trust_list_deinit(trusted, 1);
    return 0;
}

/* Takes this name of the certificate if it is a user's address, and none was taken before. */
static void try_user(struct secured *secured, struct database *db, const char *name)
{
    struct directory_user user;
    struct address address;
    char key[ADDRESS_KEY_MAX];

    if (secured->client_user_len > 0 || address_parse(slice_of(name), &address) != ADDRESS_OK ||
        address.domain_len == 0)
        return;
    struct slice found = {key, address_key(&address, key)};
    if (directory_user(db, found, &user) != 1 || user.disabled ||
        credential_exists(db, found) != 1) /* locked, or cannot log in */
        return;
    memcpy(secured->client_user, found.at, found.len);
    secured->client_user_len = found.len;
}

static void find_users(struct secured *secured, struct database *db, gnutls_x509_crt_t crt)
{
    char name[CERTIFICATE_NAME_MAX];
    unsigned at = 0;

    bool some = false;
    while (certificate_next_name(crt, GNUTLS_SAN_RFC822NAME, &at, name)) {
        try_user(secured, db, name);
        some = true;
    }
    if (!some && certificate_common_name(crt, name))
        try_user(secured, db, name);
}

/* The name to show, of a person or of a host. */
static bool find_name(gnutls_x509_crt_t crt, bool host, char name[CERTIFICATE_NAME_MAX])
{
    unsigned mail = 0, dns = 0;

    name[0] = '\0';
    return (!host && certificate_next_name(crt, GNUTLS_SAN_RFC822NAME, &mail, name)) ||
           (host && certificate_next_name(crt, GNUTLS_SAN_DNSNAME, &dns, name)) ||
           certificate_common_name(crt, name) ||
           certificate_next_name(crt, GNUTLS_SAN_DNSNAME, &dns, name) ||
           certificate_next_name(crt, GNUTLS_SAN_RFC822NAME, &mail, name);
}

static void log_unverified(const char *name, unsigned faults)
{
    gnutls_datum_t reason = {NULL, 0};

    gnutls.certificate_verification_status_print(faults, GNUTLS_CRT_X509, &reason, 0);
    while (reason.size > 0 && reason.data[reason.size - 1] == ' ')
        reason.data[--reason.size] = '\0';
    log_event(EVENT_CLIENT_CERTIFICATE, "verified", "no", "name", name[0] != '\0' ? name : NULL,
              "reason", (const char *)reason.data, NULL);
    free(reason.data);
}

static void judge(struct secured *secured, const struct keyring *keyring, struct database *db,
                  gnutls_x509_crt_t *chain, unsigned count)
{
    char name[CERTIFICATE_NAME_MAX];
    unsigned client, server;

    if (verify(keyring, chain, count, &client, &server) != 0)
        return;
    bool named = find_name(chain[0], client != 0 && server == 0, name);
    if (server != 0) {
        log_unverified(name, client);
        return;
    }
    memcpy(secured->client, named ? name : "?", named ? sizeof name : sizeof "?");
    certificate_issuer_name(chain[0], secured->issuer);
    if (client == 0)
        find_users(secured, db, chain[0]);
    else /* it names a host, which cannot log in */
        log_event(EVENT_CLIENT_CERTIFICATE, "verified", "server", "name", secured->client, "reason",
                  "for servers, not for clients", NULL);
}

void client_certificate_identify(struct secured *secured, const struct keyring *keyring,
                                 struct database *db)
{
    gnutls_x509_crt_t chain[CLIENT_CHAIN_LEN];

    memset(secured->client, 0, sizeof secured->client);
    memset(secured->issuer, 0, sizeof secured->issuer);
    secured->client_user_len = 0;
    if (keyring->settings->tls_client_ca.len == 0 || secured->facts.chain_len == 0)
        return;
    unsigned count = parse_chain(&secured->facts, chain);
    if (count > 0)
        judge(secured, keyring, db, chain, count);
    else
        log_unverified("", GNUTLS_CERT_INVALID);
    for (unsigned i = 0; i < count; i++)
        gnutls.x509_crt_deinit(chain[i]);
}
