#include "keyring.h"

#include "../database/tls_priority.h"
#include "../wall/chain.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIPED_STACK = 32768, /* several times what GnuTLS uses */
};

static void log_problem(const char *what, const char *error)
{
    log_event(EVENT_TLS_UNAVAILABLE, "what", what, "error", error, NULL);
}

int keyring_prepare(struct keyring *keyring, const struct settings *settings, const char *folder)
{
    const char *where;

    *keyring = (struct keyring){.settings = settings, .folder = folder};
    if (gnutls_load() != 0) {
        log_problem("GnuTLS (libgnutls.so.30) cannot be loaded", NULL);
        return -1;
    }
    int error = tls_priority_make(&keyring->priority, settings, &where);
    if (error == 0)
        return 0;
    log_problem("tls-priority", gnutls_error(error));
    return -1;
}

int keyring_load(struct keyring *keyring)
{
    const struct settings *settings = keyring->settings;
    char problem[CERTIFICATE_PROBLEM_MAX];

    for (size_t i = 0; i < settings->certificates_len && i < settings->keys_len; i++) {
        struct certificate *certificate = &keyring->certificates[keyring->count];
        if (certificate_load(certificate, keyring->folder, settings->certificates[i],
                             settings->keys[i], problem) == 0) {
            keyring->count++;
            continue;
        }
        log_problem("certificate", problem);
        certificate_release(certificate);
    }
    keyring->may_sign = keyring->count > 0;
    return keyring->count > 0 ? 0 : -1;
}

int keyring_ticket_key(const struct keyring *keyring, enum role role,
                       unsigned char key[WALL_TICKET_KEY])
{
    char path[SETTINGS_PATH_MAX], label[64];
    gnutls_datum_t secret;

    if (certificate_path(keyring->folder, keyring->settings->tls_ticket_secret, path) != 0 ||
        certificate_read_file(path, &secret) != 0) {
        log_event(EVENT_TICKETS_UNAVAILABLE, "error", strerror(errno), "do",
                  "run mailslot-build --ticket-secret", NULL);
        return -1;
    }
    int len = snprintf(label, sizeof label, "mailslot session tickets, role %s", role_name(role));
    bool good =
        secret.size == SETTINGS_TICKET_SECRET_LEN &&
        gnutls.hmac_fast(GNUTLS_MAC_SHA512, secret.data, secret.size, label, (size_t)len, key) == 0;
    certificate_wipe(&secret);
    if (!good)
        log_event(EVENT_TICKETS_UNAVAILABLE, "error", "the secret is not 64 bytes long", "do",
                  "run mailslot-build --ticket-secret", NULL);
    return good ? 0 : -1;
}

/* ---- for the front -----------------------------------------------------------------------------
 */

static size_t put_chain(const struct certificate *certificate, char *to, size_t size)
{
    gnutls_datum_t der;
    size_t len = 0;
    bool fits = true;

    for (unsigned i = 0; fits && i < certificate->chain_len; i++) {
        if (gnutls.x509_crt_export2(certificate->chain[i], GNUTLS_X509_FMT_DER, &der) != 0)
            break;
        fits = chain_add(to, size, &len, (struct slice){(const char *)der.data, der.size});
        free(der.data);
    }
    return len;
}

int keyring_send(const struct keyring *keyring, int wall, struct wall_message *message)
{
    message->type = WALL_CERTIFICATE;
    for (size_t i = 0; i < keyring->count; i++) {
        size_t len = put_chain(&keyring->certificates[i], message->text, sizeof message->text);
        if (wall_send(wall, message, len) != 0)
            return -1;
    }
    return 0;
}

bool keyring_sign(struct keyring *keyring, const struct wall_sign *asked,
                  struct wall_signature *made)
{
    gnutls_sign_algorithm_t algorithm = (gnutls_sign_algorithm_t)asked->algorithm;
    gnutls_datum_t hash = {(unsigned char *)(uintptr_t)asked->hash, asked->len}, signature;

    memset(made, 0, sizeof *made);
    if (!keyring->may_sign || asked->certificate >= keyring->count ||
        !tls_priority_signs(keyring->priority, algorithm))
        return false;
    gnutls_privkey_t key = keyring->certificates[asked->certificate].key;
    unsigned kind = (unsigned)gnutls.privkey_get_pk_algorithm(key, NULL);
    unsigned due =
        gnutls.hash_get_len((gnutls_digest_algorithm_t)gnutls.sign_get_hash_algorithm(algorithm));
    if (gnutls.sign_supports_pk_algorithm(algorithm, kind) == 0 || due == 0 || asked->len != due)
        return false;
    keyring->may_sign = false;
    if (gnutls.privkey_sign_hash2(key, algorithm, 0, &hash, &signature) != 0)
        return true;
    if (signature.size <= sizeof made->bytes) {
        made->len = signature.size;
        memcpy(made->bytes, signature.data, signature.size);
    }
    free(signature.data);
    return true;
}

void keyring_end_point(const struct keyring *keyring, size_t index, struct wall_binding *binding)
{
    gnutls_x509_crt_t certificate = keyring->certificates[index].chain[0];
    int signature = gnutls.x509_crt_get_signature_algorithm(certificate);
    gnutls_digest_algorithm_t hash =
        signature < 0 ? GNUTLS_DIG_UNKNOWN
                      : (gnutls_digest_algorithm_t)gnutls.sign_get_hash_algorithm(
                            (gnutls_sign_algorithm_t)signature);
    gnutls_datum_t der;

    binding->len = 0;
    if (hash == GNUTLS_DIG_MD5 || hash == GNUTLS_DIG_SHA1)
        hash = GNUTLS_DIG_SHA256;
    unsigned len = gnutls.hash_get_len(hash);
    if (len == 0 || len > sizeof binding->bytes ||
        gnutls.x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, &der) != 0)
        return;
    if (gnutls.hash_fast(hash, der.data, der.size, binding->bytes) == 0)
        binding->len = len;
    free(der.data);
}

/* RSA signing leaves parts of the key in the stack frames of the library. */
static __attribute__((noinline)) void wipe_stack(void)
{
    char left[WIPED_STACK];

    explicit_bzero(left, sizeof left);
}

void keyring_forget(struct keyring *keyring)
{
    if (keyring->priority == NULL) /* nothing was read */
        return;
    for (size_t i = 0; i < keyring->count; i++)
        certificate_release(&keyring->certificates[i]);
    keyring->count = 0;
    keyring->may_sign = false;
    gnutls.priority_deinit(keyring->priority);
    keyring->priority = NULL;
    wipe_stack();
}
