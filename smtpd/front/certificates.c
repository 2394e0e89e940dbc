#include "certificates.h"

#include "../confine/confine_worker.h"
#include "../wall/chain.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHAIN_MAX = 16, /* certificates in a chain */
    HOST_NAME = 0,  /* the kind of a name (RFC 6066 section 3) */
};

/* ---- keys, which are beyond the wall -----------------------------------------------------------
 */

/* What the back is asked to sign: a hash, and the algorithm. For RSA with PKCS #1 (TLS 1.2) GnuTLS
 * asks for a raw signature over a DigestInfo that it has made (RFC 8017 section 9.2). This takes it
 * apart again: the back makes its own, and never signs anything raw. */
static int describe_hash(struct wall_sign *wanted, gnutls_sign_algorithm_t algorithm,
                         const gnutls_datum_t *hash)
{
    gnutls_digest_algorithm_t digest = GNUTLS_DIG_UNKNOWN;
    unsigned size = sizeof wanted->hash;

    if (algorithm == GNUTLS_SIGN_RSA_RAW) {
        int error = gnutls.decode_ber_digest_info(hash, &digest, wanted->hash, &size);
        wanted->algorithm = gnutls.pk_to_sign(GNUTLS_PK_RSA, digest);
        wanted->len = size;
        return error;
    }
    if (hash->size > size)
        return GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM;
    wanted->algorithm = algorithm;
    wanted->len = hash->size;
    memcpy(wanted->hash, hash->data, hash->size);
    return 0;
}

static int sign_hash(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *context,
                     unsigned flags, const gnutls_datum_t *hash, gnutls_datum_t *signature)
{
    struct certificates_identity *ours = context;
    struct wall_message *message = ours->all->message;
    size_t ignored;

    (void)key;
    (void)flags;
    message->type = WALL_SIGN;
    message->sign = (struct wall_sign){.certificate = ours->index};
    int error = describe_hash(&message->sign, algorithm, hash);
    if (error != 0)
        return error;
    if (wall_send(CONFINE_WALL, message, 0) != 0 ||
        wall_receive(CONFINE_WALL, message, &ignored) != 1 || message->type != WALL_SIGNATURE ||
        message->signature.len == 0 || message->signature.len > sizeof message->signature.bytes)
        return GNUTLS_E_PK_SIGN_FAILED;
    signature->data = malloc(message->signature.len); /* what gnutls_malloc() is */
    if (signature->data == NULL)
        return GNUTLS_E_MEMORY_ERROR;
    signature->size = message->signature.len;
    memcpy(signature->data, message->signature.bytes, signature->size);
    return 0;
}

static int describe_key(gnutls_privkey_t key, unsigned flags, void *context)
{
    const struct certificates_identity *ours = context;

    (void)key;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
        return ours->algorithm;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
        return (int)ours->bits;
    if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO)
        return gnutls.sign_supports_pk_algorithm(GNUTLS_FLAGS_TO_SIGN_ALGO(flags),
                                                 (gnutls_pk_algorithm_t)ours->algorithm) != 0;
    return -1;
}

static int add_identity(gnutls_certificate_credentials_t credentials,
                        struct certificates_identity *identity)
{
    /* GnuTLS gets no names, because it compares them without wildcards, and case-sensitively. */
    return gnutls.certificate_set_key(credentials, (const char *[]){""}, 0, identity->chain,
                                      identity->chain_len, identity->key);
}

static int begin(gnutls_certificate_credentials_t *credentials)
{
    int error = gnutls.certificate_allocate_credentials(credentials);

    /* The back has checked that key and certificate match; to check it here costs a signature. */
    if (error == 0)
        gnutls.certificate_set_flags(*credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    return error;
}

/* Takes a chain of certificates (chain.h). */
static int take_identity(struct certificates *all, const char *bytes, size_t len)
{
    struct certificates_identity *identity = &all->identities[all->count];
    struct slice left = {bytes, len}, one;
    int more = 0, error = 0;

    identity->all = all;
    identity->index = all->count;
    identity->chain = calloc(CHAIN_MAX, sizeof *identity->chain);
    while (identity->chain != NULL && error == 0 && identity->chain_len < CHAIN_MAX &&
           (more = chain_next(&left, &one)) == 1) {
        const gnutls_datum_t der = {(unsigned char *)(uintptr_t)one.at, (unsigned)one.len};
        error = gnutls.pcert_import_x509_raw(&identity->chain[identity->chain_len++], &der,
                                             GNUTLS_X509_FMT_DER, 0);
    }
    if (error != 0 || more < 0 || identity->chain_len == 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    identity->algorithm =
        gnutls.pubkey_get_pk_algorithm(identity->chain[0].pubkey, &identity->bits);
    error = gnutls.privkey_init(&identity->key);
    if (error == 0)
        error = gnutls.privkey_import_ext4(identity->key, identity, NULL, sign_hash, NULL, NULL,
                                           describe_key, 0);
    if (error == 0)
        error = add_identity(all->credentials, identity);
    all->count++;
    return error;
}

int certificates_receive(struct certificates *all, struct wall_message *message, uint32_t count)
{
    int error = begin(&all->credentials);
    size_t len;

    all->message = message;
    for (uint32_t i = 0; i < count && error >= 0; i++) {
        if (i == WALL_CERTIFICATES_MAX || wall_receive(CONFINE_WALL, message, &len) != 1 ||
            message->type != WALL_CERTIFICATE)
            return GNUTLS_E_INTERNAL_ERROR;
        error = take_identity(all, message->text, len);
    }
    return error < 0 ? error : 0;
}

/* ---- by name -----------------------------------------------------------------------------------
 */

int certificates_take_name(struct certificates *all, const unsigned char *bytes, size_t len)
{
    const unsigned char *at = bytes, *end = bytes + len;

    if (len < 2 || len - 2 != (size_t)(at[0] << 8 | at[1]) || len == 2)
        return GNUTLS_E_UNEXPECTED_PACKET_LENGTH;
    for (at += 2; at < end;) {
        size_t left = (size_t)(end - at);
        if (left < 3 || left - 3 < (size_t)(at[1] << 8 | at[2]))
            return GNUTLS_E_UNEXPECTED_PACKET_LENGTH;
        size_t size = (size_t)(at[1] << 8 | at[2]);
        if (at[0] == HOST_NAME && size < sizeof all->name && memchr(at + 3, '\0', size) == NULL) {
            memcpy(all->name, at + 3, size);
            all->name[size] = '\0';
        }
        at += 3 + size;
    }
    return 0;
}

/* By RFC 6125: with wildcards, and case-insensitively. */
static bool is_for(const struct certificates_identity *identity, const char *name)
{
    gnutls_x509_crt_t certificate;

    if (gnutls.pcert_export_x509(&identity->chain[0], &certificate) != 0)
        return false;
    bool match = gnutls.x509_crt_check_hostname2(certificate, name,
                                                 GNUTLS_VERIFY_DO_NOT_ALLOW_IP_MATCHES) != 0;
    gnutls.x509_crt_deinit(certificate);
    return match;
}

int certificates_choose(struct certificates *all, gnutls_session_t session)
{
    gnutls_certificate_credentials_t credentials;
    bool match[WALL_CERTIFICATES_MAX];
    size_t size = sizeof all->name;
    unsigned kind;

    if (all->count < 2)
        return 0;
    if (all->name[0] == '\0' && gnutls.server_name_get(session, all->name, &size, &kind, 0) != 0)
        return 0;
    size_t len = strlen(all->name);
    if (len > 0 && all->name[len - 1] == '.')
        all->name[len - 1] = '\0';
    for (uint32_t i = 0; i < all->count; i++)
        match[i] = is_for(&all->identities[i], all->name);
    int error = begin(&credentials);
    for (int wanted = 1; wanted >= 0; wanted--)
        for (uint32_t i = 0; i < all->count && error >= 0; i++)
            if (match[i] == wanted)
                error = add_identity(credentials, &all->identities[i]);
    return error < 0 ? error : gnutls.credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
}
