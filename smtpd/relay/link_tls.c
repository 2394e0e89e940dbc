/* link: TLS, by GnuTLS (link.h). */
#include "../base/base64.h"
#include "../base/clock.h"
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* As the server's: RFC 8996 and 9155. */
#define LESS "-VERS-TLS1.1:-VERS-TLS1.0:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1"

static gnutls_certificate_credentials_t authorities;

int link_load_authorities(const char *file, struct fault *fault)
{
    if (authorities != NULL)
        return 0;
    int loaded = gnutls_certificate_allocate_credentials(&authorities);
    if (loaded == 0)
        loaded = file == NULL ? gnutls_certificate_set_x509_system_trust(authorities)
                              : gnutls_certificate_set_x509_trust_file(authorities, file,
                                                                       GNUTLS_X509_FMT_PEM);
    if (loaded > 0)
        return 0;
    gnutls_certificate_free_credentials(authorities);
    authorities = NULL;
    return fault_set(fault, file == NULL ? FAULT_TLS : FAULT_SETTINGS, "no authorities in %s%s%s",
                     file == NULL ? "the system's store" : file, loaded == 0 ? "" : ": ",
                     loaded == 0 ? "" : gnutls_strerror(loaded));
}

/* Without MSG_NOSIGNAL, GnuTLS would be killed by SIGPIPE; its own function uses sendmsg(2), which
 * is forbidden later. */
static ssize_t push(gnutls_transport_ptr_t context, const void *bytes, size_t len)
{
    struct link *link = context;

    return send(link->fd, bytes, len, MSG_NOSIGNAL);
}

static ssize_t pull(gnutls_transport_ptr_t context, void *to, size_t len)
{
    struct link *link = context;

    return recv(link->fd, to, len, 0);
}

static int pull_timeout(gnutls_transport_ptr_t context, unsigned ms)
{
    struct link *link = context;
    struct pollfd fd = {.fd = link->fd, .events = POLLIN};

    return poll(&fd, 1, ms == GNUTLS_INDEFINITE_TIMEOUT ? -1 : (int)ms);
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int prepare(struct link *link, const char *host, gnutls_typed_vdata_st names[2],
                   enum link_verify how)
{
    int error = gnutls_init(&link->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

    if (error == 0)
        error = gnutls_set_default_priority_append(link->session, LESS, NULL, 0);
    if (error == 0)
        error = gnutls_credentials_set(link->session, GNUTLS_CRD_CERTIFICATE, authorities);
    if (error == 0 && !is_address(host))
        error = gnutls_server_name_set(link->session, GNUTLS_NAME_DNS, host, strlen(host));
    if (error != 0)
        return error;
    if (how == LINK_VERIFY)
        gnutls_session_set_verify_cert2(link->session, names, 2, 0);
    gnutls_transport_set_ptr(link->session, link);
    gnutls_transport_set_push_function(link->session, push);
    gnutls_transport_set_pull_function(link->session, pull);
    gnutls_transport_set_pull_timeout_function(link->session, pull_timeout);
    return 0;
}

/* Returns a GnuTLS error, 0 if it is complete. */
static int shake_hands(struct link *link)
{
    int error;

    while ((error = gnutls_handshake(link->session)) != 0 && gnutls_error_is_fatal(error) == 0) {
        struct pollfd fd = {
            .fd = link->fd,
            .events = gnutls_record_get_direction(link->session) == 0 ? POLLIN : POLLOUT,
        };
        int64_t left = link->deadline - clock_ms();
        if (error == GNUTLS_E_AGAIN && (left <= 0 || poll(&fd, 1, (int)left) == 0))
            return GNUTLS_E_TIMEDOUT;
    }
    return error;
}

static int explain(struct link *link, int error, struct fault *fault)
{
    unsigned status = gnutls_session_get_verify_cert_status(link->session);
    gnutls_datum_t text = {NULL, 0};

    if (error == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) == 0)
        fault_set(fault, FAULT_TLS, "%s", (const char *)text.data);
    else if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
        fault_set(fault, FAULT_TLS, "the host has ended the handshake: %s",
                  gnutls_alert_get_name(gnutls_alert_get(link->session)));
    else
        fault_set(fault, FAULT_TLS, "%s", gnutls_strerror(error));
    gnutls_free(text.data);
    size_t len = strlen(fault->reason);
    while (len > 0 && strchr(". ", fault->reason[len - 1]) != NULL)
        fault->reason[--len] = '\0';
    return -1;
}

static void tell(struct link *link, bool verified)
{
    const char *protocol = gnutls_protocol_get_name(gnutls_protocol_get_version(link->session));
    const char *cipher = gnutls_ciphersuite_get(link->session);

    link->tls.on = true;
    link->tls.verified = verified;
    snprintf(link->tls.protocol, sizeof link->tls.protocol, "%s",
             protocol == NULL ? "TLS" : protocol);
    snprintf(link->tls.cipher, sizeof link->tls.cipher, "%s", cipher == NULL ? "-" : cipher);
}

int link_secure(struct link *link, const char *host, enum link_verify how, struct fault *fault)
{
    char name[512], purpose[] = GNUTLS_KP_TLS_WWW_SERVER;
    unsigned status = 0;

    snprintf(name, sizeof name, "%s", host);
    gnutls_typed_vdata_st names[] = {
        {GNUTLS_DT_DNS_HOSTNAME, (unsigned char *)name, 0},
        {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)purpose, 0},
    };
    int error = prepare(link, host, names, how);
    if (error == 0)
        error = shake_hands(link);
    if (error != 0)
        return explain(link, error, fault);
    gnutls_session_set_verify_cert2(link->session, NULL, 0, 0); /* names are ours alone */
    tell(link, how == LINK_VERIFY ||
                   (gnutls_certificate_verify_peers(link->session, names, 2, &status) == 0 &&
                    status == 0));
    return 0;
}

void link_binding(const struct link *link, bool *exporter, char to[LINK_BINDING_MAX])
{
    gnutls_datum_t value = {NULL, 0};

    *to = '\0';
    if (link->session == NULL)
        return;
    *exporter = gnutls_protocol_get_version(link->session) > GNUTLS_TLS1_2;
    if (gnutls_session_channel_binding(link->session,
                                       *exporter ? GNUTLS_CB_TLS_EXPORTER : GNUTLS_CB_TLS_UNIQUE,
                                       &value) == 0 &&
        BASE64_SIZE(value.size) <= LINK_BINDING_MAX)
        base64_encode((const char *)value.data, value.size, to);
    gnutls_free(value.data);
}
