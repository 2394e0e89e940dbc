#include "tls.h"

#include "../base/gnutls.h"
#include "../wall/chain.h"
#include "certificates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    RAW_SIZE = 16384 + 256 + 5, /* the longest record of TLS 1.3 (RFC 8446 section 5.2) */
    HANDSHAKE_MAX = 16384,      /* bytes of a message; GnuTLS's own limit is 128 KiB */
    RSA_MODULUS_MAX = 1 + 1024, /* bytes of a client's key, after a zero byte */
    RSA_EXPONENT_MAX = 1 + 8,
};

struct tls {
    gnutls_session_t session;
    struct certificates certificates;
    struct wire *wire;
    enum wire_result result; /* of the last read */
    bool shaking_hands, ticket_due;
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

/* The only place where the wire is read. */
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
        if (tls->result != WIRE_OK) { /* after EAGAIN the last reply can still be written */
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

/* ---- the session -------------------------------------------------------------------------------
 */

static int take_name(gnutls_session_t session, const unsigned char *bytes, size_t len)
{
    struct tls *tls = gnutls.transport_get_ptr(session);

    return certificates_take_name(&tls->certificates, bytes, len);
}

static int choose_certificates(gnutls_session_t session)
{
    struct tls *tls = gnutls.transport_get_ptr(session);

    return certificates_choose(&tls->certificates, session);
}

/* Reads the name that the client asks for (SNI), because GnuTLS fails the handshake if it finds
 * the name invalid, such as a container's mail_server. GnuTLS refuses to replace its own handler
 * of this extension, but it compares 32 bits of the number and stores 16. A version that refuses
 * this as well reads the name in its own way. */
static void read_names(gnutls_session_t session)
{
    enum { SERVER_NAME = 0, PASSES = 1 << 16 };

    gnutls.session_ext_register(session, "server name", SERVER_NAME | PASSES, GNUTLS_EXT_MANDATORY,
                                take_name, NULL, NULL, NULL, NULL, 0);
    gnutls.handshake_set_post_client_hello_function(session, choose_certificates);
}

static bool is_on_a_curve(int algorithm)
{
    return algorithm == GNUTLS_PK_ECDSA || algorithm == GNUTLS_PK_EDDSA_ED25519 ||
           algorithm == GNUTLS_PK_EDDSA_ED448;
}

/* Called before the client's signature is verified. An RSA key's exponent can make that costly,
 * because the client may choose one as long as the modulus: with 4,096 bits it takes 0.3 s. */
static int judge_client_key(gnutls_session_t session, unsigned type, unsigned when,
                            unsigned incoming, const gnutls_datum_t *body)
{
    gnutls_datum_t modulus = {NULL, 0}, exponent = {NULL, 0};
    gnutls_x509_crt_t certificate;
    unsigned count = 0;
    bool cheap = false;

    (void)type;
    (void)when;
    (void)body;
    if (incoming == 0) /* in TLS 1.3 the server signs, too */
        return 0;
    const gnutls_datum_t *chain = gnutls.certificate_get_peers(session, &count);
    if (chain == NULL || count == 0 || gnutls.x509_crt_init(&certificate) != 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    if (gnutls.x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) == 0)
        cheap = is_on_a_curve(gnutls.x509_crt_get_pk_algorithm(certificate, NULL)) ||
                (gnutls.x509_crt_get_pk_rsa_raw(certificate, &modulus, &exponent) == 0 &&
                 modulus.size <= RSA_MODULUS_MAX && exponent.size <= RSA_EXPONENT_MAX);
    free(modulus.data);
    free(exponent.data);
    gnutls.x509_crt_deinit(certificate);
    return cheap ? 0 : GNUTLS_E_UNSUPPORTED_CERTIFICATE_TYPE;
}

static int prepare(struct tls *tls, const struct wall_settings *settings,
                   struct gnutls_priority_st *priority, struct wall_message *message)
{
    const gnutls_datum_t ticket_key = {(unsigned char *)(uintptr_t)settings->ticket_key,
                                       sizeof settings->ticket_key};
    unsigned flags = settings->tickets ? GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_NO_TICKETS;
    int error = certificates_receive(&tls->certificates, message, settings->certificates);

    if (error == 0)
        error = gnutls.init(&tls->session, GNUTLS_SERVER | flags);
    if (error == 0)
        error = gnutls.priority_set(tls->session, priority);
    if (error == 0)
        error = gnutls.credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
                                       tls->certificates.credentials);
    if (error == 0 && settings->tickets)
        error = gnutls.session_ticket_enable_server(tls->session, &ticket_key);
    if (error != 0)
        return error;
    /* Every certificate that a client sends is parsed: 400 of them cost 20 ms before any key is
     * used, and in TLS 1.2 they can be replayed. */
    gnutls.handshake_set_max_packet_length(tls->session, HANDSHAKE_MAX);
    if (settings->ask_certificate) {
        gnutls.certificate_server_set_request(tls->session, GNUTLS_CERT_REQUEST);
        gnutls.handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY,
                                           GNUTLS_HOOK_PRE, judge_client_key);
    }
    gnutls.transport_set_ptr(tls->session, tls);
    gnutls.transport_set_push_function(tls->session, push);
    gnutls.transport_set_pull_function(tls->session, pull);
    read_names(tls->session);
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
    tls.result = WIRE_OK;
    int error = prepare(&tls, settings, priority, message);
    if (error == 0)
        error = shake_hands(&tls);
    if (error == 0) {
        tls.ticket_due =
            settings->tickets && gnutls.protocol_get_version(tls.session) >= GNUTLS_TLS1_3;
        *opened = &tls;
        return WIRE_OK;
    }
    message->type = WALL_INSECURE;
    if (tls.result == WIRE_IDLE)
        error = GNUTLS_E_TIMEDOUT;
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

    size_t len = 0;
    bool fits = true;

    /* If some do not fit, the back will find that the chain does not reach its authority. */
    for (unsigned i = 0; chain != NULL && fits && i < count; i++)
        fits = chain_add(secured->chain, sizeof secured->chain, &len,
                         (struct slice){(const char *)chain[i].data, chain[i].size});
    secured->chain_len = (uint32_t)len;
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
    /* Before TLS 1.3, the exporter is only good with the extended master secret (RFC 9266 section
     * 4.2), and so is tls-unique of a resumed session (RFC 7677 section 4). */
    bool extended = gnutls.session_ext_master_secret_status(tls->session) != 0;
    if (protocol >= GNUTLS_TLS1_3 || extended)
        put_binding(tls->session, GNUTLS_CB_TLS_EXPORTER, &secured->exporter);
    if (protocol <= GNUTLS_TLS1_2 && (extended || !secured->resumed))
        put_binding(tls->session, GNUTLS_CB_TLS_UNIQUE, &secured->unique);
    put_chain(tls->session, secured);
}

/* In TLS 1.3 the ticket goes with the first reply. By default GnuTLS sends it with the server's
 * Finished, before the client's, which some of Microsoft's clients treat as an error. */
static void send_ticket(struct tls *tls)
{
    if (tls->ticket_due)
        gnutls.session_ticket_send(tls->session, 1, 0);
    tls->ticket_due = false;
}

void tls_send(struct tls *tls, const char *bytes, size_t len)
{
    send_ticket(tls);
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
