#include "../../smtpd/database/socket_path.h"
#include "../kit/memory.h"
#include "source.h"

#include <string.h>
#include <unistd.h>

static void add_domain(struct source *source, struct report *report, unsigned line,
                       struct slice written)
{
    size_t index = source->domains_len;
    struct slice name;

    if (!source_domain(source, written, &name)) {
        report_error(report, source->conf_text.name, line, "domains: `%.*s` is not a domain name%s",
                     SLICE(written), source_hint());
        return;
    }
    if (!map_add(&source->domain_map, name, &index)) {
        report_error(report, source->conf_text.name, line,
                     "domains: `%.*s` is listed twice: remove one", SLICE(written));
        return;
    }
    source->domains = memory_grow(source->domains, source->domains_len, &source->domains_room,
                                  sizeof *source->domains);
    source->domains[source->domains_len++] = name;
    if (source_is_number(name))
        report_warning(report, source->conf_text.name, line,
                       "domains: %.*s is not a name that other servers can look up: write a domain "
                       "name",
                       SLICE(name));
}

static void read_domains(struct source *source, struct report *report, unsigned line,
                         struct slice value)
{
    static const char separators[] = " \t,";

    while (value.len > 0) {
        size_t len = 0;
        while (len < value.len && strchr(separators, value.at[len]) == NULL)
            len++;
        if (len > 0)
            add_domain(source, report, line, (struct slice){value.at, len});
        len += len < value.len;
        value.at += len;
        value.len -= len;
    }
}

/* The form in which the settings keep the domains: one space between them. */
static void join_domains(struct source *source)
{
    size_t len = 0;

    for (size_t i = 0; i < source->domains_len; i++)
        len += source->domains[i].len + 1;
    char *joined = pool_get(&source->pool, len + 1), *to = joined;
    for (size_t i = 0; i < source->domains_len; i++) {
        to = mempcpy(to, source->domains[i].at, source->domains[i].len);
        *to++ = ' ';
    }
    settings_set(&source->settings, slice_of("domains"),
                 (struct slice){joined, len > 0 ? len - 1 : 0});
}

unsigned source_conf_line(const struct source *source, const char *name)
{
    size_t line = 0;

    map_find(&source->conf_lines, slice_of(name), &line);
    return (unsigned)line;
}

/* For messages about settings that are repeatable. */
static void note_line(struct source *source, struct slice name)
{
    const struct settings *settings = &source->settings;
    unsigned line = source->conf_text.line;

    if (slice_is(name, "tls-certificate") && settings->certificates_len < SETTINGS_CERTIFICATES_MAX)
        source->certificate_lines[settings->certificates_len] = line;
    if (slice_is(name, "relay") && settings->relays_len < SETTINGS_RELAYS_MAX)
        source->relay_lines[settings->relays_len] = line;
    if (slice_is(name, "milter") && settings->milters_len < SETTINGS_MILTERS_MAX)
        source->milter_lines[settings->milters_len] = line;
}

static const char *set(struct source *source, struct slice name, struct slice value)
{
    const char *wrong;
    struct slice path;
    struct slice stored = source_hop_value(source, name, value, &wrong);

    if (wrong == NULL && socket_path_of_store(value, &path) && slice_is(name, "mailboxes"))
        wrong = source_store_wrong(source, path);
    if (wrong != NULL)
        return wrong;
    return relay_settings_has(name) ? relay_settings_set(&source->relay, name, stored)
                                    : settings_set(&source->settings, name, stored);
}

static void read_setting(struct source *source, struct report *report, struct slice line)
{
    const struct text_file *text = &source->conf_text;
    const char *equals = memchr(line.at, '=', line.len);
    size_t at = text->line;

    if (equals == NULL) {
        report_error(report, text->name, text->line, "write NAME = VALUE");
        return;
    }
    struct slice name = slice_trim((struct slice){line.at, (size_t)(equals - line.at)});
    struct slice value =
        slice_trim((struct slice){equals + 1, line.len - (size_t)(equals + 1 - line.at)});
    if (!settings_is_repeatable(name) && !map_add(&source->conf_lines, name, &at)) {
        report_error(report, text->name, text->line,
                     "%.*s is already set in line %zu: remove one of the two", SLICE(name), at);
    } else if (slice_is(name, "domains")) {
        read_domains(source, report, text->line, value);
    } else {
        note_line(source, name);
        const char *wrong = set(source, name, value);
        if (slice_is(name, "hostname") && source_is_number(value))
            report_warning(report, text->name, text->line,
                           "hostname: %.*s is not a name that other servers can look up: write the "
                           "full name of this machine, such as mx.example.org",
                           SLICE(value));
        bool comment = memmem(value.at, value.len, " #", 2) != NULL;
        if (wrong != NULL)
            report_error(report, text->name, text->line, "%.*s: %s%s", SLICE(name), wrong,
                         comment ? " (a comment needs a line of its own)" : "");
    }
}

static void use_own_domain(struct source *source, struct report *report)
{
    char name[ADDRESS_DOMAIN_MAX + 1] = "";

    if (gethostname(name, sizeof name - 1) == 0 && strchr(name, '.') != NULL &&
        address_parse_domain(slice_of(name)) == ADDRESS_OK)
        add_domain(source, report, 0, slice_of(name));
    else
        report_error(
            report, source->conf_text.name, 0,
            "there is no domain to receive mail for: add a line such as `domains = example.org`");
}

void source_read_settings(struct source *source, struct report *report)
{
    unsigned errors = report->errors;
    struct slice line;

    settings_default(&source->settings);
    relay_settings_default(&source->relay);
    while (text_file_line(&source->conf_text, report, &line))
        read_setting(source, report, line);
    if (source->domains_len == 0 && report->errors == errors)
        use_own_domain(source, report);
    join_domains(source);
    if (source->settings.mailboxes.len > 0)
        source->store =
            slice_of(pool_format(&source->pool, "lmtp:%.*s", SLICE(source->settings.mailboxes)));
    strcpy(source->relay.hostname, source->settings.session.hostname);
    if (source->relay.hosts_len > 0 && source->settings.relays_len == 0)
        settings_set(&source->settings, slice_of("relay"), slice_of(SETTINGS_RELAY_DEFAULT));
}
