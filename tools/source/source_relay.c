#include "../../smtpd/database/directory.h"
#include "../kit/certificate_text.h"
#include "../kit/memory.h"
#include "../kit/units.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the checks below need. */
struct hops_check {
    const struct source *source;
    struct report *report;
    const char *folder;
};

static void say_error(const struct hops_check *check, const char *name, const char *what)
{
    report_error(check->report, check->source->conf_text.name,
                 source_conf_line(check->source, name), "%s: %s", name, what);
}

static void say_warning(const struct hops_check *check, const char *name, const char *what)
{
    report_warning(check->report, check->source->conf_text.name,
                   source_conf_line(check->source, name), "%s: %s", name, what);
}

static void check_relay(const struct hops_check *check, size_t i, struct slice path)
{
    char name[SETTINGS_PATH_MAX];
    struct stat st;

    snprintf(name, sizeof name, "%.*s", SLICE(path));
    if (source_is_own_socket(path))
        report_error(check->report, check->source->conf_text.name, check->source->relay_lines[i],
                     "relay: %s is a socket of mailslot itself, so mail would go in circles: write "
                     "that of mailslot-relay, " SETTINGS_RELAY_DEFAULT ", or of another server",
                     name);
    else if (stat(name, &st) == 0 && !S_ISSOCK(st.st_mode))
        report_warning(check->report, check->source->conf_text.name, check->source->relay_lines[i],
                       "relay: %s is not a socket", name);
}

static void check_relays(const struct hops_check *check)
{
    const struct settings *settings = &check->source->settings;
    bool all = false;

    for (size_t i = 0; i < settings->relays_len; i++) {
        struct slice rest = settings->relays[i], path = slice_cut_word(&rest);
        check_relay(check, i, path);
        if (all)
            report_warning(check->report, check->source->conf_text.name,
                           check->source->relay_lines[i],
                           "relay: never used, because one above is for all senders: move that one "
                           "to the end");
        all = all || rest.len == 0;
    }
}

static void check_store(const struct hops_check *check)
{
    struct slice path = check->source->settings.mailboxes;
    char name[SETTINGS_PATH_MAX];
    struct stat st;

    snprintf(name, sizeof name, "%.*s", SLICE(path));
    if (path.len > 0 && stat(name, &st) == 0 && !S_ISSOCK(st.st_mode))
        say_warning(check, "mailboxes", "it is not a socket");
}

/* A name of a person or program that may not exist on this machine, but does on another one. */
static void check_local_users(const struct hops_check *check)
{
    for (struct slice rest = check->source->settings.local_submission; rest.len > 0;) {
        struct slice word = slice_cut(&rest, ' ');
        char *name = memory_format("%.*s", SLICE(word));
        if (getpwnam(name) == NULL)
            report_warning(check->report, check->source->conf_text.name,
                           source_conf_line(check->source, "local-submission"),
                           "local-submission: this system has no user %s", name);
        free(name);
    }
}

static bool is_all_loopback(const struct relay_settings *relay)
{
    for (size_t i = 0; i < relay->hosts_len; i++)
        if (!relay_host_is_loopback(&relay->hosts[i]))
            return false;
    return true;
}

/* Names that belong together. */
static void check_login(const struct hops_check *check)
{
    const struct relay_settings *relay = &check->source->relay;
    bool secret = relay->password.len > 0 || relay->token.len > 0;
    const char *name = relay->password.len > 0 ? "smarthost-password" : "smarthost-token";

    if (relay->password.len > 0 && relay->token.len > 0)
        say_error(check, "smarthost-token",
                  "there is a smarthost-password, too: remove one of the two");
    if (secret && relay->user.len == 0)
        say_error(check, name, "write the name to log in with as smarthost-user");
    if (!secret && relay->user.len > 0)
        say_error(check, "smarthost-user",
                  "write the file that has the password as smarthost-password, or that of a token "
                  "as smarthost-token");
    if (secret && relay->tls == RELAY_TLS_NONE && !is_all_loopback(relay))
        say_error(check, "smarthost-tls",
                  "without TLS, the password would cross the network in clear text: none works "
                  "with smarthost-user only if the smarthost is on this machine, such as "
                  "127.0.0.1:587");
    if (secret && relay->tls == RELAY_TLS_MAY && !is_all_loopback(relay))
        say_error(check, "smarthost-tls",
                  "may accepts any certificate, or no TLS, so anybody in between could get the "
                  "password: with smarthost-user write starttls or implicit");
}

/* Without a smarthost the other names have no effect. One that is malformed was reported. */
static void check_alone(const struct hops_check *check)
{
    static const char *const names[] = {"smarthost-tls", "smarthost-ca", "smarthost-user",
                                        "smarthost-password", "smarthost-token"};

    if (source_conf_line(check->source, "smarthost") > 0 && check->report->errors > 0)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (source_conf_line(check->source, names[i]) > 0)
            say_error(
                check, names[i],
                "there is no smarthost: add a line such as `smarthost = smtp.example.org:587`");
}

/* Who else can use the password? */
static void check_mode(const struct hops_check *check, const char *name, const char *path,
                       const struct stat *st)
{
    if ((st->st_mode & (S_IRWXO | S_IWGRP)) != 0)
        report_warning(check->report, check->source->conf_text.name,
                       source_conf_line(check->source, name),
                       "%s: %s can be %s by other users; type: chmod g-w,o= %s", name, path,
                       (st->st_mode & S_IROTH) != 0 ? "read" : "changed", path);
}

static void check_secret(const struct hops_check *check, const char *name, struct slice file)
{
    char path[SETTINGS_PATH_MAX];
    struct stat st;

    if (file.len == 0 || certificate_path(check->folder, file, path) != 0)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0)
        report_warning(check->report, check->source->conf_text.name,
                       source_conf_line(check->source, name),
                       "%s: cannot read %s: %s; mail to other domains will be deferred", name, path,
                       strerror(errno));
    else if (!S_ISREG(st.st_mode) || st.st_size == 0)
        report_warning(check->report, check->source->conf_text.name,
                       source_conf_line(check->source, name),
                       "%s: %s is not a file with one line; mail to other domains will be deferred",
                       name, path);
    else
        check_mode(check, name, path, &st);
    if (fd >= 0)
        close(fd);
}

static void check_authorities(const struct hops_check *check)
{
    char path[SETTINGS_PATH_MAX], problem[CERTIFICATE_PROBLEM_MAX];
    struct slice name = check->source->relay.ca;
    gnutls_x509_crt_t *authorities;
    unsigned len;

    if (name.len == 0 || certificate_path(check->folder, name, path) != 0 || gnutls_load() != 0)
        return;
    if (certificate_read_chain(&authorities, &len, path, problem) != 0) {
        report_warning(check->report, check->source->conf_text.name,
                       source_conf_line(check->source, "smarthost-ca"),
                       "smarthost-ca: %s; mail to other domains will be deferred", problem);
        return;
    }
    for (unsigned i = 0; i < len; i++)
        gnutls.x509_crt_deinit(authorities[i]);
    free(authorities);
}

void source_check_hops(const struct source *source, struct report *report, const char *folder)
{
    const struct hops_check check = {source, report, folder};

    check_relays(&check);
    check_store(&check);
    check_local_users(&check);
    if (source->relay.hosts_len == 0) {
        check_alone(&check);
        return;
    }
    check_login(&check);
    check_secret(&check, "smarthost-password", source->relay.password);
    check_secret(&check, "smarthost-token", source->relay.token);
    check_authorities(&check);
}

static bool has_relay_for_all(const struct settings *settings)
{
    for (size_t i = 0; i < settings->relays_len; i++)
        if (!slice_has(settings->relays[i], '@'))
            return true;
    return false;
}

/* The first alias that leads elsewhere. */
static const struct source_alias *find_forwarding(const struct source *source)
{
    for (size_t i = 0; i < source->aliases_len; i++) {
        const struct source_alias *alias = &source->aliases[i];
        for (size_t j = 0; j < alias->reached_len; j++)
            if (slice_begins(source_reached(source, alias->reached[j]), SOURCE_ELSEWHERE))
                return alias;
    }
    return NULL;
}

/* Does the mail of each such alias have a relay? */
static void check_way(const struct hops_check *check, const struct source_alias *alias)
{
    const struct settings *settings = &check->source->settings;
    struct address sender;

    if (settings->forward_sender.len == 0) {
        if (!has_relay_for_all(settings))
            report_warning(check->report, check->source->conf_text.name,
                           check->source->relay_lines[0],
                           "relay: each one is for mail from certain domains, so %.*s, which leads "
                           "elsewhere, refuses mail from any other: set forward-sender to an "
                           "address in one of these domains",
                           SLICE(alias->key));
    } else if (address_from_key(settings->forward_sender, &sender) == ADDRESS_OK &&
               directory_relay(settings, &sender).len == 0) {
        say_error(check, "forward-sender", "there is no relay for this domain");
    }
}

void source_check_forwarding(const struct source *source, struct report *report)
{
    const struct hops_check check = {.source = source, .report = report};
    const struct source_alias *alias = find_forwarding(source);

    if (alias == NULL)
        return;
    if (source->settings.forward_sender.len == 0 && source->relay.user.len > 0)
        report_warning(report, source->aliases_text.name, alias->line,
                       "%.*s leads elsewhere, and its mail keeps its sender, which a smarthost "
                       "with a log-in often refuses: set forward-sender in mailslot.conf to an "
                       "address that it accepts",
                       SLICE(alias->key));
    check_way(&check, alias);
}
