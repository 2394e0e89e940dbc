/* check: TLS: certificates, their keys and names, the secret of tickets. */
#include "../kit/certificate_text.h"
#include "../kit/folder.h"
#include "../kit/memory.h"
#include "../kit/replace.h"
#include "../kit/units.h"
#include "subjects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writes the drop-in of units/certbot.conf. Without SetCredential=, a file that is missing later
 * would keep sessions from starting; with it, they run without TLS, and the log says so. */
static const char *hand_over(struct check *check, const char *chain, const char *key)
{
    const char *chain_base = check_quote(check, strrchr(chain, '/') + 1);
    const char *key_base = check_quote(check, strrchr(key, '/') + 1);

    return pool_format(
        &check->pool,
        "mkdir -p /etc/systemd/system/mailslot@.service.d /etc/systemd/system/mailslot-.service.d "
        "&& printf '[Service]\\nLoadCredential=%%s:%%s\\nLoadCredential=%%s:%%s\\n"
        "SetCredential=%%s:missing\\nSetCredential=%%s:missing\\n' %s %s %s %s %s %s | "
        "tee /etc/systemd/system/mailslot@.service.d/tls-%s.conf "
        "/etc/systemd/system/mailslot-.service.d/tls-%s.conf && systemctl daemon-reload && "
        "systemctl try-restart mailslot-listen.service",
        chain_base, check_quote(check, chain), key_base, check_quote(check, key), chain_base,
        key_base, key_base, key_base);
}

static bool is_certbots(const char *path)
{
    return strncmp(path, "/etc/letsencrypt/", strlen("/etc/letsencrypt/")) == 0;
}

/* Is it in a home folder, which the listening service cannot see? */
static bool is_hidden(const char *path)
{
    if (!units_have_listener())
        return false;
    char *real = realpath(path, NULL);
    bool hidden = units_protect_home(real == NULL ? path : real, false);
    free(real);
    return hidden;
}

/* Can the server read it, either directly or through systemd? Says so if it cannot. */
static bool check_reading(struct check *check, const char *subject, const char *path,
                          const char *chain, const char *key)
{
    bool hidden = is_hidden(path);

    if ((service_user_may(&check->user, path, R_OK) && !hidden) || units_hand_over(path))
        return true;
    check_say(check, CHECK_FAIL, subject, "%s cannot be read by " SERVICE_USER "; type: %s", path,
              hidden || (is_certbots(path) && units_are_used())
                  ? hand_over(check, chain, key)
                  : service_user_grant(&check->user, &check->pool, path, R_OK));
    return false;
}

/* What to do about a certificate that cannot be used. */
static const char *repair(struct check *check, const char *path)
{
    if (!is_certbots(path))
        return pool_format(&check->pool,
                           "put the right file there, or correct its path in %s, then type: %s",
                           check->conf, check->commands.build);
    if (access(path, F_OK) == 0)
        return "type: certbot renew";
    return pool_format(&check->pool, "type: certbot certonly --standalone -d %s",
                       check->settings.session.hostname);
}

static void check_dates(struct check *check, const struct certificate *certificate,
                        const char *path)
{
    char *text = NULL, left[CERTIFICATE_LEFT_MAX];
    size_t len;
    FILE *to = memory_stream(&text, &len);

    certificate_print(certificate, to);
    certificate_write_left(certificate, left);
    if (fclose(to) != 0)
        memory_fail();
    if (certificate_is_early(certificate))
        check_say(check, CHECK_FAIL, "certificate",
                  "%s is not valid yet, or the clock of this machine is wrong; to see the clock, "
                  "type: date",
                  path);
    else if (certificate_ends_soon(certificate))
        check_say(check, CHECK_WARN, "certificate", "%s expires in %s; %s", path, left,
                  is_certbots(path) ? repair(check, path)
                                    : pool_format(&check->pool, "renew it, then type: %s",
                                                  check->commands.again));
    else
        check_say_good(check, "certificate", pool_format(&check->pool, "%s: %s", path, text));
    free(text);
}

static void check_key(struct check *check, const char *chain, const char *key)
{
    if (!check_secret(check, "key", key) && check_reading(check, "key", key, chain, key))
        check_say_good(check, "key", key);
}

/* Returns false if it is not for the hostname. */
static bool check_pair(struct check *check, const char *folder, size_t i)
{
    const struct settings *settings = &check->settings;
    char chain[SETTINGS_PATH_MAX], key[SETTINGS_PATH_MAX], problem[CERTIFICATE_PROBLEM_MAX];
    struct certificate certificate;
    bool fits = true; /* unless we find out */

    if (certificate_path(folder, settings->certificates[i], chain) != 0 ||
        certificate_path(folder, settings->keys[i], key) != 0)
        return true;
    if (geteuid() != 0 && ((access(chain, R_OK) != 0 && errno == EACCES) ||
                           (access(key, R_OK) != 0 && errno == EACCES))) {
        check_say(check, CHECK_SKIP, "certificate", "%s or its key cannot be read; type: sudo %s",
                  chain, check->commands.again);
        return true;
    }
    if (certificate_load(&certificate, folder, settings->certificates[i], settings->keys[i],
                         problem) != 0) {
        check_say(check, CHECK_FAIL, "certificate", "%s; %s", problem, repair(check, chain));
    } else {
        fits =
            gnutls.x509_crt_check_hostname(certificate.chain[0], settings->session.hostname) != 0;
        if (check_reading(check, "certificate", chain, chain, key))
            check_dates(check, &certificate, chain);
        check_key(check, chain, key);
    }
    certificate_release(&certificate);
    return fits;
}

static void check_pairs(struct check *check, const char *folder)
{
    bool fits = false;

    for (size_t i = 0; i < check->settings.certificates_len; i++)
        fits = check_pair(check, folder, i) || fits;
    if (!fits)
        check_say(check, CHECK_WARN, "certificate",
                  "none is valid for the hostname %s; get one, or correct `hostname =` in %s, then "
                  "type: %s",
                  check->settings.session.hostname, check->conf, check->commands.build);
}

static void check_tickets(struct check *check, const char *folder)
{
    char path[SETTINGS_PATH_MAX];
    struct stat st;

    if (!check->settings.tls_tickets ||
        certificate_path(folder, check->settings.tls_ticket_secret, path) != 0)
        return;
    if (stat(path, &st) != 0 || st.st_size != SETTINGS_TICKET_SECRET_LEN)
        check_say(
            check, CHECK_WARN, "tickets",
            "%s does not exist or is not 64 bytes long; type: mailslot-build --ticket-secret -o %s",
            path, check_quote(check, path));
    else if (!check_secret(check, "tickets", path) &&
             check_reading(check, "tickets", path, path, path))
        check_say_good(check, "tickets", path);
}

static void check_client_ca(struct check *check, const char *folder)
{
    char path[SETTINGS_PATH_MAX], problem[CERTIFICATE_PROBLEM_MAX];
    gnutls_x509_crt_t *authorities;
    unsigned len;

    if (check->settings.tls_client_ca.len == 0 ||
        certificate_path(folder, check->settings.tls_client_ca, path) != 0)
        return;
    if (certificate_read_chain(&authorities, &len, path, problem) != 0)
        check_say(check, CHECK_FAIL, "client-ca", "%s; %s", problem, repair(check, path));
    else
        check_reading(check, "client-ca", path, path, path);
    for (unsigned i = 0; i < len; i++)
        gnutls.x509_crt_deinit(authorities[i]);
    free(authorities);
}

void check_certificates(struct check *check)
{
    if (check->settings.certificates_len == 0) {
        check_say(check, units_have_submission() ? CHECK_FAIL : CHECK_WARN, "certificate",
                  "there is none, so mail is received without TLS and nobody can log in; set "
                  "tls-certificate and tls-key in %s, then type: %s",
                  check->conf, check->commands.build);
        return;
    }
    if (gnutls_load() != 0) {
        check_say(check, CHECK_FAIL, "certificate",
                  "GnuTLS is not installed, so there is no TLS; type: apt install libgnutls30");
        return;
    }
    char *folder = folder_of(check->path);
    check_pairs(check, folder);
    check_client_ca(check, folder);
    check_tickets(check, folder);
    free(folder);
}
