#include "tls.h"

#include "../gnutls.h"
#include "../settings.h"
#include "confine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    RAW_SIZE = 16384 + 256 + 5, /* a record of TLS 1.3 at its longest (RFC 8446 5.2) */
    CHAIN_MAX = 16,             /* certificates in a chain */
};

struct tls {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    struct wire *wire;
    enum wire_result result; /* of the last read */
    bool shaking_hands;
    struct wall_message *message; /* during the handshake */
    struct tls_key {
        struct tls *tls;
        uint32_t index;
        int algorithm; /* gnutls_pk_algorithm_t */
        unsigned bits;
    } keys[SETTINGS_CERTIFICATES_MAX];
    size_t in_start, in_end, out_len;
    char in[RAW_SIZE], out[RAW_SIZE];
};

/* ---- what GnuTLS reads and writes --------------------------------------------------------------
 */

static void flush(struct tls *tls)
{
    wire_send(tls->wire, tls->out, tls->out_len);
    tls->out_len = 0;
}

static ssize_t push(gnutls_transport_ptr_t context, const void *bytes, size_t len)
{
    struct tls *tls = context;

    if (tls->out_len == sizeof tls->out)
        flush(tls);
    size_t room = sizeof tls->out - tls->out_len;
    len = len < room ? len : room;
    memcpy(tls->out + tls->out_len, bytes, len);
    tls->out_len += len;
    return (ssize_t)len;
}

/* The one place where the wire is read. */
static ssize_t pull(gnutls_transport_ptr_t context, void *to, size_t len)
{
    struct tls *tls = context;
    size_t got = tls->in_end - tls->in_start;

    if (got == 0) {
        flush(tls);
        tls->in_start = tls->in_end = 0;
        do
            tls->result = wire_receive(tls->wire, tls->in, sizeof tls->in, &got);
        while (tls->result == WIRE_OK && got == 0);
        if (tls->result == WIRE_CLOSED)
            return 0;
        if (tls->result != WIRE_OK) { /* with EAGAIN the last reply can still be written */
            gnutls.transport_set_errno(tls->session, EAGAIN);
            return -1;
        }
        tls->in_end = got;
        if (tls->shaking_hands)
            wire_acknowledge(tls->wire);
    }
    len = len < got ? len : got;
    memcpy(to, tls->in + tls->in_start, len);
    tls->in_start += len;
    return (ssize_t)len;
}

/* ---- certificates, whose keys are beyond the wall ----------------------------------------------
 */

/*
 * What the back is to sign: a hash, and by which algorithm. For RSA with PKCS #1 (TLS 1.2) GnuTLS
 * asks for a raw signature over a DigestInfo that it has made (RFC 8017 section 9.2). It is taken
 * apart again here, so that the back makes its own, and never signs anything raw.
 */
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
    struct tls_key *ours = context;
    struct wall_message *message = ours->tls->message;
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
    const struct tls_key *ours = context;

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

/* Takes the next of a chain's certificates apart. 1, 0 at the end, -1. */
static int next_certificate(const char **at, const char *end, gnutls_pcert_st *pcert)
{
    uint32_t len;

    if (*at == end)
        return 0;
    if ((size_t)(end - *at) < sizeof len)
        return -1;
    memcpy(&len, *at, sizeof len);
    *at += sizeof len;
    if (len > (size_t)(end - *at))
        return -1;
    const gnutls_datum_t der = {(unsigned char *)(uintptr_t)*at, len};
    *at += len;
    return gnutls.pcert_import_x509_raw(pcert, &der, GNUTLS_X509_FMT_DER, 0) == 0 ? 1 : -1;
}

/* A chain of certificates as the wall brings it, the server's own first. */
static int add_chain(struct tls *tls, uint32_t index, const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len;
    gnutls_pcert_st *chain = calloc(CHAIN_MAX, sizeof *chain); /* it goes over to GnuTLS */
    gnutls_privkey_t key;
    int count = 0, more = 0;

    while (chain != NULL && count < CHAIN_MAX &&
           (more = next_certificate(&at, end, &chain[count])) == 1)
        count++;
    if (more < 0 || count == 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    struct tls_key *ours = &tls->keys[index];
    *ours = (struct tls_key){.tls = tls, .index = index};
    ours->algorithm = gnutls.pubkey_get_pk_algorithm(chain[0].pubkey, &ours->bits);
    int error = gnutls.privkey_init(&key);
    if (error == 0)
        error = gnutls.privkey_import_ext4(key, ours, NULL, sign_hash, NULL, NULL, describe_key, 0);
    if (error == 0)
        error = gnutls.certificate_set_key(tls->credentials, NULL, 0, chain, count, key);
    return error;
}

static int take_certificates(struct tls *tls, uint32_t count)
{
    int error = gnutls.certificate_allocate_credentials(&tls->credentials);
    size_t len;

    if (error != 0)
        return error;
    /* The back has seen that they belong together; the question would cost a signature. */
    gnutls.certificate_set_flags(tls->credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    for (uint32_t i = 0; i < count && error >= 0; i++) {
        if (i == SETTINGS_CERTIFICATES_MAX || wall_receive(CONFINE_WALL, tls->message, &len) != 1 ||
            tls->message->type != WALL_CERTIFICATE)
            return GNUTLS_E_INTERNAL_ERROR;
        error = add_chain(tls, i, tls->message->text, len);
    }
    return error < 0 ? error : 0;
}

/* ---- the session -------------------------------------------------------------------------------
 */

static int prepare(struct tls *tls, const struct wall_settings *settings,
                   struct gnutls_priority_st *priority)
{
    const gnutls_datum_t ticket_key = {(unsigned char *)(uintptr_t)settings->ticket_key,
                                       sizeof settings->ticket_key};
    int error = take_certificates(tls, settings->certificates);

    if (error == 0)
        error = gnutls.init(&tls->session,
                            GNUTLS_SERVER | (settings->tickets ? 0U : (unsigned)GNUTLS_NO_TICKETS));
    if (error == 0)
        error = gnutls.priority_set(tls->session, priority);
    if (error == 0)
        error = gnutls.credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    if (error == 0 && settings->tickets)
        error = gnutls.session_ticket_enable_server(tls->session, &ticket_key);
    if (error != 0)
        return error;
    if (settings->ask_certificate)
        gnutls.certificate_server_set_request(tls->session, GNUTLS_CERT_REQUEST);
    gnutls.transport_set_ptr(tls->session, tls);
    gnutls.transport_set_push_function(tls->session, push);
    gnutls.transport_set_pull_function(tls->session, pull);
    return 0;
}

static int shake_hands(struct tls *tls)
{
    int error;

    tls->shaking_hands = true;
    do
        error = gnutls.handshake(tls->session);
    while (error < 0 && gnutls.error_is_fatal(error) == 0 && tls->result == WIRE_OK);
    tls->shaking_hands = false;
    if (error < 0 && tls->result == WIRE_OK && error != GNUTLS_E_FATAL_ALERT_RECEIVED)
        gnutls.alert_send_appropriate(tls->session, error);
    flush(tls);
    return error;
}

enum wire_result tls_begin(struct tls **opened, struct wire *wire,
                           struct gnutls_priority_st *priority,
                           const struct wall_settings *settings, struct wall_message *message)
{
    static struct tls tls;

    tls.wire = wire;
    tls.message = message;
    tls.result = WIRE_OK;
    int error = prepare(&tls, settings, priority);
    if (error == 0)
        error = shake_hands(&tls);
    if (error == 0) {
        *opened = &tls;
        return WIRE_OK;
    }
    message->type = WALL_INSECURE;
    message->insecure = (struct wall_insecure){error, -1};
    if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
        message->insecure.alert = (int32_t)gnutls.alert_get(tls.session);
    return tls.result == WIRE_OK ? WIRE_CLOSED : tls.result;
}

static void put_binding(gnutls_session_t session, gnutls_channel_binding_t kind,
                        struct wall_binding *binding)
{
    gnutls_datum_t value = {NULL, 0};

    if (gnutls.session_channel_binding(session, kind, &value) == 0 &&
        value.size <= sizeof binding->bytes) {
        binding->len = value.size;
        memcpy(binding->bytes, value.data, value.size);
    }
    free(value.data);
}

static void put_chain(gnutls_session_t session, struct wall_secured *secured)
{
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls.certificate_get_peers(session, &count);

    for (unsigned i = 0; chain != NULL && i < count; i++) {
        uint32_t len = chain[i].size;
        if (len > sizeof secured->chain - secured->chain_len ||
            sizeof len > sizeof secured->chain - secured->chain_len - len)
            return; /* the back will find that the chain does not lead to its authority */
        memcpy(secured->chain + secured->chain_len, &len, sizeof len);
        memcpy(secured->chain + secured->chain_len + sizeof len, chain[i].data, len);
        secured->chain_len += (uint32_t)sizeof len + len;
    }
}

void tls_secured(struct tls *tls, struct wall_secured *secured)
{
    gnutls_protocol_t protocol = gnutls.protocol_get_version(tls->session);
    const char *names[] = {gnutls.protocol_get_name(protocol),
                           gnutls.ciphersuite_get(tls->session)};

    memset(secured, 0, offsetof(struct wall_secured, chain));
    strncpy(secured->protocol, names[0] == NULL ? "unknown" : names[0],
            sizeof secured->protocol - 1);
    strncpy(secured->cipher, names[1] == NULL ? "unknown" : names[1], sizeof secured->cipher - 1);
    secured->resumed = gnutls.session_is_resumed(tls->session) != 0;
    /* Of an older TLS only with the extended master secret: RFC 9266 section 4.2; and if it is
     * resumed: RFC 7677 section 4. */
    bool extended = gnutls.session_ext_master_secret_status(tls->session) != 0;
    if (protocol >= GNUTLS_TLS1_3 || extended)
        put_binding(tls->session, GNUTLS_CB_TLS_EXPORTER, &secured->exporter);
    if (protocol <= GNUTLS_TLS1_2 && (extended || !secured->resumed))
        put_binding(tls->session, GNUTLS_CB_TLS_UNIQUE, &secured->unique);
    put_chain(tls->session, secured);
}

void tls_send(struct tls *tls, const char *bytes, size_t len)
{
    while (len > 0 && !tls->wire->broken) {
        ssize_t sent = gnutls.record_send(tls->session, bytes, len);
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        } else if (gnutls.error_is_fatal((int)sent) != 0) {
            tls->wire->broken = true;
        }
    }
    flush(tls);
}

enum wire_result tls_receive(struct tls *tls, char *to, size_t size, size_t *got)
{
    ssize_t count;

    *got = 0;
    if (tls->wire->broken)
        return WIRE_CLOSED;
    tls->result = WIRE_OK;
    do
        count = gnutls.record_recv(tls->session, to, size);
    while (count < 0 && count != GNUTLS_E_REHANDSHAKE && gnutls.error_is_fatal((int)count) == 0 &&
           tls->result == WIRE_OK);
    if (count > 0) {
        *got = (size_t)count;
        return WIRE_OK;
    }
    if (count == GNUTLS_E_REHANDSHAKE)
        gnutls.alert_send(tls->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
    else if (count < 0 && tls->result == WIRE_OK)
        gnutls.alert_send_appropriate(tls->session, (int)count);
    return tls->result == WIRE_OK ? WIRE_CLOSED : tls->result;
}

void tls_bye(struct tls *tls)
{
    if (!tls->wire->broken)
        gnutls.bye(tls->session, GNUTLS_SHUT_WR);
    flush(tls);
}
