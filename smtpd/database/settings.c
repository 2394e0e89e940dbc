#include "settings.h"

#include "record.h"
#include "settings_values.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MAILSLOT_MAIL_ROOT
#define MAILSLOT_MAIL_ROOT "/var/lib/mailslot"
#endif

enum kind {
    KIND_BOOL,
    KIND_NUMBER,
    KIND_SIZE,
    KIND_TIME,
    KIND_PATH,
    KIND_PATHS,
    KIND_SPECIAL,
    KIND_SPECIALS
};

#define FIELD(member) offsetof(struct settings, member)

/* Every number has a lower and an upper bound, so that no configuration can switch a limit off.
 * Only max-messages has no limit by default. */
static const struct name {
    const char *name;
    enum kind kind;
    size_t field;
    uint64_t min, max, otherwise;
    const char *(*set)(struct settings *settings,
                       struct slice value); /* KIND_SPECIAL, KIND_SPECIALS */
} names[] = {
    {"hostname", KIND_SPECIAL, .set = settings_set_hostname},
    {"domains", KIND_SPECIAL, .set = settings_set_domains},
    {"mail-root", KIND_SPECIAL, .set = settings_set_mail_root},
    {"recipient-delimiter", KIND_SPECIAL, .set = settings_set_delimiter},
    {"bare-newline", KIND_SPECIAL, .set = settings_set_bare_newline},
    {"tls-priority", KIND_SPECIAL, .set = settings_set_priority},
    {"forward-sender", KIND_SPECIAL, .set = settings_set_forward_sender},
    {"mailboxes", KIND_SPECIAL, .set = settings_set_mailboxes},
    {"local-submission", KIND_SPECIAL, .set = settings_set_local_submission},
    {"relay", KIND_SPECIALS, .set = settings_set_relay},
    {"milter", KIND_SPECIALS, .set = settings_set_milter},
    {"milter-failure", KIND_SPECIAL, .set = settings_set_milter_failure},
    {"quarantine", KIND_SPECIAL, .set = settings_set_quarantine},
    {"tls-certificate", KIND_PATHS, .field = FIELD(certificates)},
    {"tls-key", KIND_PATHS, .field = FIELD(keys)},
    {"tls-client-ca", KIND_PATH, .field = FIELD(tls_client_ca)},
    {"tls-ticket-secret", KIND_PATH, .field = FIELD(tls_ticket_secret)},
    {"tls-tickets", KIND_BOOL, FIELD(tls_tickets), 0, 1, .otherwise = 0},
    {"auth", KIND_BOOL, FIELD(auth), 0, 1, .otherwise = 1},
    {"auth-without-tls", KIND_BOOL, FIELD(auth_without_tls), 0, 1, .otherwise = 0},
    {"hide-client-address", KIND_BOOL, FIELD(hide_client_address), 0, 1, .otherwise = 0},
    {"vrfy", KIND_BOOL, FIELD(session.vrfy), 0, 1, .otherwise = 1},
    {"max-message-size", KIND_SIZE, FIELD(session.max_message_size), 1, 1LL << 32,
     .otherwise = 50 << 20},
    {"max-recipients", KIND_NUMBER, FIELD(session.max_recipients), 1, 10000, .otherwise = 100},
    {"max-messages", KIND_NUMBER, FIELD(session.max_messages), 0, 999999, .otherwise = 0},
    {"max-errors", KIND_NUMBER, FIELD(session.max_errors), 1, 1000, .otherwise = 20},
    {"max-idle-commands", KIND_NUMBER, FIELD(session.max_idle), 10, 1000000, .otherwise = 1000},
    {"max-received", KIND_NUMBER, FIELD(session.max_received), 1, 1000, .otherwise = 100},
    {"idle-timeout", KIND_TIME, FIELD(session.idle_timeout), 1, 3600, .otherwise = 300},
    {"session-timeout", KIND_TIME, FIELD(session.session_timeout), 1, 86400, .otherwise = 3600},
    {"lock-timeout", KIND_TIME, FIELD(lock_timeout), 1, 240, .otherwise = 30},
    {"min-data-rate", KIND_NUMBER, FIELD(session.min_data_rate), 1, 1 << 20, .otherwise = 100},
    {"relay-limit", KIND_NUMBER, FIELD(relay_limit), 1, 1000000, .otherwise = 300},
    {"milter-timeout", KIND_TIME, FIELD(milter_timeout), 1, 120, .otherwise = 30},
};

enum { NAMES = sizeof names / sizeof names[0] };

/* Every session looks for all of them: mostly, the first letter is enough to see a difference. */
static const struct name *find(struct slice text)
{
    for (size_t i = 0; i < NAMES && text.len > 0; i++)
        if (*text.at == *names[i].name && slice_is(text, names[i].name))
            return &names[i];
    return NULL;
}

bool settings_is_repeatable(struct slice name)
{
    const struct name *known = find(name);

    return known != NULL && (known->kind == KIND_PATHS || known->kind == KIND_SPECIALS);
}

static bool is_number(const struct name *name)
{
    return name->kind < KIND_PATH;
}

static void put_number(struct settings *settings, const struct name *name, uint64_t value)
{
    char *field = (char *)settings + name->field;

    if (name->kind == KIND_BOOL)
        *(bool *)field = value != 0;
    else
        memcpy(field, &value, sizeof value);
}

static uint64_t get_number(const struct settings *settings, const struct name *name)
{
    const char *field = (const char *)settings + name->field;
    uint64_t value;

    if (name->kind == KIND_BOOL)
        return *(const bool *)field;
    memcpy(&value, field, sizeof value);
    return value;
}

void settings_default(struct settings *settings)
{
    *settings = (struct settings){.mail_root = MAILSLOT_MAIL_ROOT, .recipient_delimiter = '+'};
    settings->tls_ticket_secret = slice_of("ticket-secret");
    for (size_t i = 0; i < NAMES; i++)
        if (is_number(&names[i]))
            put_number(settings, &names[i], names[i].otherwise);
}

/* The factor of the unit letter after a number, or 0. */
static uint64_t unit(enum kind kind, char letter)
{
    const char *letters = kind == KIND_SIZE ? "kKmMgGtT" : kind == KIND_TIME ? "ssmmhh" : "";
    const char *found = letter == '\0' ? NULL : strchr(letters, letter);
    static const uint64_t size[] = {1 << 10, 1 << 20, 1 << 30, 1ULL << 40}, time[] = {1, 60, 3600};

    if (found == NULL)
        return 0;
    return (kind == KIND_SIZE ? size : time)[(found - letters) / 2];
}

static bool parse_number(enum kind kind, struct slice text, uint64_t *value)
{
    uint64_t factor = text.len > 0 ? unit(kind, text.at[text.len - 1]) : 0;

    text.len -= factor > 0;
    if (!slice_number(text, value))
        return false;
    return factor == 0 || !__builtin_mul_overflow(*value, factor, value);
}

bool settings_size(struct slice text, uint64_t *size)
{
    return parse_number(KIND_SIZE, text, size);
}

static const char *out_of_bounds(const struct name *name)
{
    static char text[64];
    const char *unit = name->kind == KIND_SIZE   ? " bytes"
                       : name->kind == KIND_TIME ? " seconds"
                                                 : "";

    snprintf(text, sizeof text, "must be from %" PRIu64 " to %" PRIu64 "%s", name->min, name->max,
             unit);
    return text;
}

static const char *set_number(struct settings *settings, const struct name *name, struct slice text)
{
    uint64_t value;

    if (!parse_number(name->kind, text, &value))
        return name->kind == KIND_SIZE   ? "write a size as 1000, 64K, 50M or 1G"
               : name->kind == KIND_TIME ? "write a time as 90, 90s, 5m or 1h"
                                         : "write a whole number";
    if (value < name->min || value > name->max)
        return out_of_bounds(name);
    put_number(settings, name, value);
    return NULL;
}

static const char *set_bool(struct settings *settings, const struct name *name, struct slice text)
{
    if (!slice_is(text, "yes") && !slice_is(text, "no"))
        return "write yes or no";
    put_number(settings, name, slice_is(text, "yes"));
    return NULL;
}

static const char *set_path(struct settings *settings, const struct name *name, struct slice value)
{
    struct slice *path = (struct slice *)(void *)((char *)settings + name->field);

    if (name->kind == KIND_PATHS) {
        bool is_key = path == settings->keys;
        size_t *count = is_key ? &settings->keys_len : &settings->certificates_len;
        if (*count == SETTINGS_CERTIFICATES_MAX)
            return "given too often: there can be 8 certificates";
        path += (*count)++;
    }
    *path = value; /* a wrong path still counts as half of a pair */
    if (name->kind == KIND_PATHS && value.len == 0)
        return "write the path of a file";
    if (value.len >= SETTINGS_PATH_MAX || memchr(value.at, '\0', value.len) != NULL)
        return "path too long";
    return NULL;
}

const char *settings_set(struct settings *settings, struct slice name, struct slice value)
{
    const struct name *known = find(name);

    if (known == NULL)
        return "unknown setting; mailslot.conf(5) lists all of them";
    if (known->set != NULL)
        return known->set(settings, value);
    if (!is_number(known))
        return set_path(settings, known, value);
    return known->kind == KIND_BOOL ? set_bool(settings, known, value)
                                    : set_number(settings, known, value);
}

static void write_slice(const char *name, struct slice value, FILE *to)
{
    fprintf(to, "%s=%.*s\n", name, SLICE(value));
}

void settings_write(const struct settings *settings, FILE *to)
{
    fprintf(to, "hostname=%s\n", settings->session.hostname);
    write_slice("domains", settings->domains, to);
    fprintf(to, "mail-root=%s\n", settings->mail_root);
    fprintf(to, "recipient-delimiter=%.1s\n", &settings->recipient_delimiter);
    fprintf(to, "bare-newline=%s\n", settings_newlines[settings->session.bare_newline]);
    for (size_t i = 0; i < settings->certificates_len && i < settings->keys_len; i++) {
        write_slice("tls-certificate", settings->certificates[i], to);
        write_slice("tls-key", settings->keys[i], to);
    }
    fprintf(to, "tls-priority=%s\n", settings->tls_priority);
    write_slice("tls-client-ca", settings->tls_client_ca, to);
    write_slice("tls-ticket-secret", settings->tls_ticket_secret, to);
    settings_write_hops(settings, to);
    settings_write_milters(settings, to);
    for (size_t i = 0; i < NAMES; i++) {
        if (!is_number(&names[i]))
            continue;
        uint64_t number = get_number(settings, &names[i]);
        if (names[i].kind == KIND_BOOL)
            fprintf(to, "%s=%s\n", names[i].name, number ? "yes" : "no");
        else
            fprintf(to, "%s=%" PRIu64 "\n", names[i].name, number);
    }
}

int settings_parse(struct settings *settings, struct slice text)
{
    struct slice name, value;
    int more;

    while ((more = record_line(&text, &name, &value)) == 1)
        if (find(name) != NULL && settings_set(settings, name, value) != NULL)
            return -1;
    return more;
}

void settings_fill_hostname(char hostname[ADDRESS_DOMAIN_MAX + 1])
{
    if (hostname[0] != '\0')
        return;
    if (gethostname(hostname, ADDRESS_DOMAIN_MAX) != 0 ||
        address_parse_domain((struct slice){hostname, strnlen(hostname, ADDRESS_DOMAIN_MAX + 1)}) !=
            ADDRESS_OK)
        strcpy(hostname, "localhost");
}
