#include "../../smtpd/database/tls_priority.h"
#include "../kit/certificate_text.h"
#include "../kit/service_user.h"
#include "../kit/units.h"
#include "source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Root may be able to read a key that the server cannot read, which would then refuse TLS. */
static void check_key(const struct source *source, struct report *report, const char *folder,
                      size_t i)
{
    char path[SETTINGS_PATH_MAX];
    struct service_user server;

    if (geteuid() != 0 || certificate_path(folder, source->settings.keys[i], path) != 0)
        return;
    service_user_find(&server);
    if (!service_user_may(&server, path, R_OK) && !units_hand_over(path))
        report_warning(report, source->conf_text.name, source->certificate_lines[i],
                       "the user " SERVICE_USER " cannot read %s; clients will be refused TLS "
                       "(mailslot-check prints the command that corrects this)",
                       path);
}

enum { RSA_BITS_MAX = 4096 };

static void check_time(const struct certificate *certificate, struct report *report,
                       const char *file, unsigned line)
{
    char left[CERTIFICATE_LEFT_MAX];

    certificate_write_left(certificate, left);
    if (certificate_is_early(certificate))
        report_warning(report, file, line, "the certificate is not valid yet");
    else if (certificate_ends_soon(certificate))
        report_warning(report, file, line, "the certificate expires in %s: renew it", left);
}

/* The time for a signature grows with the third power of an RSA key's length. */
static void check_cost(const struct certificate *certificate, struct report *report,
                       const char *file, unsigned line)
{
    unsigned bits = 0;
    int kind = gnutls.privkey_get_pk_algorithm(certificate->key, &bits);

    if (kind == GNUTLS_PK_RSA && bits > RSA_BITS_MAX)
        report_warning(report, file, line,
                       "an RSA key of %u bits makes handshakes slow, and anybody can ask for one: "
                       "use 3072 bits, or ECDSA",
                       bits);
}

static void check_pair(const struct source *source, struct report *report, const char *folder,
                       size_t i)
{
    const struct settings *settings = &source->settings;
    const char *file = source->conf_text.name;
    char problem[CERTIFICATE_PROBLEM_MAX];
    struct certificate certificate;
    unsigned line = source->certificate_lines[i];

    if (certificate_load(&certificate, folder, settings->certificates[i], settings->keys[i],
                         problem) != 0) {
        report_warning(report, file, line, "%s; clients will be refused TLS", problem);
    } else {
        check_key(source, report, folder, i);
        check_time(&certificate, report, file, line);
        check_cost(&certificate, report, file, line);
        if (i == 0 && settings->session.hostname[0] != '\0' &&
            gnutls.x509_crt_check_hostname(certificate.chain[0], settings->session.hostname) == 0)
            report_warning(report, file, line,
                           "the certificate is not valid for the hostname %s: clients that verify "
                           "it reject it, unless they connect to another name",
                           settings->session.hostname);
    }
    certificate_release(&certificate);
}

static void check_client_ca(const struct source *source, struct report *report, const char *folder)
{
    char path[SETTINGS_PATH_MAX], problem[CERTIFICATE_PROBLEM_MAX];
    struct slice name = source->settings.tls_client_ca;
    gnutls_x509_crt_t *authorities;
    unsigned len;

    if (name.len == 0 || certificate_path(folder, name, path) != 0)
        return;
    if (certificate_read_chain(&authorities, &len, path, problem) != 0) {
        report_warning(report, source->conf_text.name, 0, "tls-client-ca: %s", problem);
        return;
    }
    for (unsigned i = 0; i < len; i++)
        gnutls.x509_crt_deinit(authorities[i]);
    free(authorities);
}

static void check_ticket_secret(const struct source *source, struct report *report,
                                const char *folder)
{
    char path[SETTINGS_PATH_MAX];
    gnutls_datum_t secret = {NULL, 0};

    if (!source->settings.tls_tickets)
        return;
    if (certificate_path(folder, source->settings.tls_ticket_secret, path) != 0 ||
        certificate_read_file(path, &secret) != 0 || secret.size != SETTINGS_TICKET_SECRET_LEN)
        report_warning(report, source->conf_text.name, 0,
                       "tls-tickets: %.*s is missing or not 64 bytes long: create it with "
                       "`mailslot-build --ticket-secret`",
                       SLICE(source->settings.tls_ticket_secret));
    certificate_wipe(&secret);
}

static void check_priority(const struct source *source, struct report *report)
{
    gnutls_priority_t priority;
    const char *where;
    int error = tls_priority_make(&priority, &source->settings, &where);

    if (error == 0)
        gnutls.priority_deinit(priority);
    else
        report_error(report, source->conf_text.name, source_conf_line(source, "tls-priority"),
                     "tls-priority: %s, at `%s`", gnutls_error(error), where);
}

void source_check_tls(const struct source *source, struct report *report, const char *folder)
{
    const struct settings *settings = &source->settings;

    if (settings->certificates_len != settings->keys_len) {
        report_error(report, source->conf_text.name, 0,
                     "%zu tls-certificate but %zu tls-key: write one tls-key after each "
                     "tls-certificate (it may name the same file)",
                     settings->certificates_len, settings->keys_len);
        return;
    }
    if (settings->auth && settings->auth_without_tls)
        report_warning(report, source->conf_text.name, 0,
                       "auth-without-tls = yes: passwords cross the network in clear text; use it "
                       "only for a server that only this machine can reach");
    if (settings->certificates_len == 0)
        return;
    if (gnutls_load() != 0) {
        report_warning(
            report, source->conf_text.name, 0,
            "certificates cannot be checked, and TLS is not available: GnuTLS is not installed "
            "(package libgnutls30)");
        return;
    }
    check_priority(source, report);
    for (size_t i = 0; i < settings->certificates_len; i++)
        check_pair(source, report, folder, i);
    check_client_ca(source, report, folder);
    check_ticket_secret(source, report, folder);
}
