#include "relay_settings.h"

#include "record.h"
#include "settings.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const tls_words[] = {
    [RELAY_TLS_AUTO] = "",   [RELAY_TLS_IMPLICIT] = "implicit", [RELAY_TLS_STARTTLS] = "starttls",
    [RELAY_TLS_MAY] = "may", [RELAY_TLS_NONE] = "none",
};

static bool is_address(struct slice name, int family, unsigned char *bytes)
{
    char text[INET6_ADDRSTRLEN];

    if (name.len >= sizeof text || memchr(name.at, '\0', name.len) != NULL)
        return false;
    *(char *)mempcpy(text, name.at, name.len) = '\0';
    return inet_pton(family, text, bytes) == 1;
}

/* HOST:PORT, or [ADDRESS]:PORT for IPv6. */
static bool parse_host(struct slice word, struct relay_host *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    const char *colon = memrchr(word.at, ':', word.len);
    uint64_t port;

    if (colon == NULL)
        return false;
    struct slice name = {word.at, (size_t)(colon - word.at)};
    if (!slice_number(slice_from(word, name.len + 1), &port) || port == 0 || port > UINT16_MAX)
        return false;
    bool brackets = slice_begins(name, "[") && slice_ends(name, "]");
    if (brackets)
        name = (struct slice){name.at + 1, name.len - 2};
    *host = (struct relay_host){name, (uint16_t)port};
    if (brackets)
        return is_address(name, AF_INET6, bytes);
    return !slice_begins(name, "[") && address_parse_domain(name) == ADDRESS_OK;
}

static const char *set_hosts(struct relay_settings *settings, struct slice value)
{
    settings->hosts_len = 0;
    for (struct slice rest = value; rest.len > 0;) {
        if (settings->hosts_len == RELAY_HOSTS_MAX)
            return "there can be 8 hosts";
        if (!parse_host(slice_cut_word(&rest), &settings->hosts[settings->hosts_len]))
            return "write HOST:PORT, such as smtp.example.org:587 or [2001:db8::1]:587";
        settings->hosts_len++;
    }
    return NULL;
}

static const char *set_tls(struct relay_settings *settings, struct slice value)
{
    for (enum relay_tls i = RELAY_TLS_AUTO; i <= RELAY_TLS_NONE; i++)
        if (slice_is(value, tls_words[i])) {
            settings->tls = i;
            return NULL;
        }
    return "write implicit, starttls, may or none";
}

static const char *set_user(struct relay_settings *settings, struct slice value)
{
    settings->user = value;
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.at[i] < ' ' || value.at[i] == 0x7f)
            return "contains a control character";
    return value.len > RELAY_USER_MAX ? "longer than 255 bytes" : NULL;
}

static const char *set_file(struct slice *file, struct slice value)
{
    *file = value;
    return value.len >= SETTINGS_PATH_MAX || memchr(value.at, '\0', value.len) != NULL
               ? "path too long"
               : NULL;
}

static const char *set_ca(struct relay_settings *settings, struct slice value)
{
    return set_file(&settings->ca, value);
}

static const char *set_password(struct relay_settings *settings, struct slice value)
{
    return set_file(&settings->password, value);
}

static const char *set_token(struct relay_settings *settings, struct slice value)
{
    return set_file(&settings->token, value);
}

static const struct name {
    const char *name;
    const char *(*set)(struct relay_settings *settings, struct slice value);
} names[] = {
    {"smarthost", set_hosts},
    {"smarthost-tls", set_tls},
    {"smarthost-ca", set_ca},
    {"smarthost-user", set_user},
    {"smarthost-password", set_password},
    {"smarthost-token", set_token},
};

static const struct name *find(struct slice text)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_is(text, names[i].name))
            return &names[i];
    return NULL;
}

void relay_settings_default(struct relay_settings *settings)
{
    *settings = (struct relay_settings){.hosts_len = 0};
}

bool relay_settings_has(struct slice name)
{
    return find(name) != NULL;
}

const char *relay_settings_set(struct relay_settings *settings, struct slice name,
                               struct slice value)
{
    const struct name *known = find(name);

    return known == NULL ? "unknown setting" : known->set(settings, value);
}

static void write_slice(const char *name, struct slice value, FILE *to)
{
    fprintf(to, "%s=%.*s\n", name, SLICE(value));
}

void relay_host_write(const struct relay_host *host, FILE *to)
{
    bool brackets = slice_has(host->name, ':');

    fprintf(to, "%s%.*s%s:%u", brackets ? "[" : "", SLICE(host->name), brackets ? "]" : "",
            host->port);
}

void relay_settings_write_smarthost(const struct relay_settings *settings, FILE *to)
{
    fputs("smarthost=", to);
    for (size_t i = 0; i < settings->hosts_len; i++) {
        fputs(i > 0 ? " " : "", to);
        relay_host_write(&settings->hosts[i], to);
    }
    fprintf(to, "\nsmarthost-tls=%s\n", tls_words[settings->tls]);
    write_slice("smarthost-ca", settings->ca, to);
    write_slice("smarthost-user", settings->user, to);
    write_slice("smarthost-password", settings->password, to);
    write_slice("smarthost-token", settings->token, to);
}

void relay_settings_write(const struct relay_settings *settings, FILE *to)
{
    fprintf(to, "hostname=%s\n", settings->hostname);
    relay_settings_write_smarthost(settings, to);
}

static bool set_hostname(struct relay_settings *settings, struct slice value)
{
    if (value.len >= sizeof settings->hostname ||
        (value.len > 0 && address_parse_domain(value) != ADDRESS_OK))
        return false;
    *(char *)mempcpy(settings->hostname, value.at, value.len) = '\0';
    return true;
}

int relay_settings_parse(struct relay_settings *settings, struct slice text)
{
    struct slice name, value;
    int more;

    relay_settings_default(settings);
    while ((more = record_line(&text, &name, &value)) == 1) {
        bool wrong = slice_is(name, "hostname") ? !set_hostname(settings, value)
                     : relay_settings_has(name) ? relay_settings_set(settings, name, value) != NULL
                                                : false;
        if (wrong)
            return -1;
    }
    settings_fill_hostname(settings->hostname);
    return more;
}

int relay_settings_read(struct database *db, struct relay_settings *settings)
{
    struct slice text;

    if (database_find(db, "settings", (struct slice){0}, &text) != 1)
        return -1;
    return relay_settings_parse(settings, text) == 0 && settings->hosts_len > 0 ? 0 : -1;
}

enum relay_tls relay_settings_tls(const struct relay_settings *settings,
                                  const struct relay_host *host)
{
    if (settings->tls != RELAY_TLS_AUTO)
        return settings->tls;
    return host->port == 465 ? RELAY_TLS_IMPLICIT : RELAY_TLS_STARTTLS;
}

bool relay_host_is_loopback(const struct relay_host *host)
{
    static const unsigned char six[sizeof(struct in6_addr)] = {[15] = 1};
    unsigned char bytes[sizeof(struct in6_addr)];

    if (is_address(host->name, AF_INET, bytes))
        return bytes[0] == 127;
    if (is_address(host->name, AF_INET6, bytes))
        return memcmp(bytes, six, sizeof six) == 0;
    return slice_is_word(host->name, "localhost");
}
