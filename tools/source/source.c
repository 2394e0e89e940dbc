#include "source.h"

#include "../../smtpd/base/international.h"
#include "../../smtpd/database/record.h"
#include "../kit/memory.h"
#include "folders.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *source_hint(void)
{
    return international_missing() ? " that can be read without libidn2 and libunistring: install "
                                     "libidn2-0 libunistring2"
                                   : "";
}

bool source_is_number(struct slice name)
{
    const char *dot = memrchr(name.at, '.', name.len);
    const char *at = dot == NULL ? name.at : dot + 1, *end = name.at + name.len;

    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return name.len > 0 && at == end;
}

/* In lower case, and in its ASCII form. */
static bool read_domain(struct source *source, struct slice written, struct slice *domain)
{
    char name[ADDRESS_DOMAIN_MAX + 1];

    if (address_parse_domain(written.at, written.len) != ADDRESS_OK)
        return false;
    *domain = (struct slice){pool_lower(&source->pool, written), written.len};
    if (address_text_is_ascii(written.at, written.len))
        return true;
    if (international_domain(written.at, written.len, name) != 0)
        return false;
    *domain = (struct slice){pool_copy(&source->pool, slice_of(name)), strlen(name)};
    return true;
}

bool source_domain_key(struct source *source, struct slice written, struct slice *key)
{
    struct slice domain;

    if (!read_domain(source, (struct slice){written.at + 1, written.len - 1}, &domain))
        return false;
    *key = (struct slice){pool_format(&source->pool, "@%.*s", SLICE(domain)), domain.len + 1};
    return true;
}

static void add_domain(struct source *source, struct report *report, unsigned line,
                       struct slice written)
{
    size_t index = source->domains_len;
    struct slice name;

    if (!read_domain(source, written, &name)) {
        report_error(report, source->conf_text.name, line, "domains: `%.*s` is not a domain name%s",
                     SLICE(written), source_hint());
        return;
    }
    if (!map_add(&source->domain_map, name, &index)) {
        report_error(report, source->conf_text.name, line, "domains: `%.*s` stands here twice",
                     SLICE(written));
        return;
    }
    source->domains = memory_grow(source->domains, source->domains_len, &source->domains_room,
                                  sizeof *source->domains);
    source->domains[source->domains_len++] = name;
    if (source_is_number(name))
        report_warning(report, source->conf_text.name, line,
                       "domains: %.*s is not a name that anybody can look up: write a domain name",
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
    settings_set(&source->settings, "domains", strlen("domains"), joined, len > 0 ? len - 1 : 0);
}

static void read_setting(struct source *source, struct report *report, struct map *seen,
                         struct slice line)
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
    if (!settings_is_repeatable(name.at, name.len) && !map_add(seen, name, &at)) {
        report_error(report, text->name, text->line,
                     "%.*s stands in line %zu already: remove one of the two", SLICE(name), at);
    } else if (slice_is(name, "domains")) {
        read_domains(source, report, text->line, value);
    } else {
        if (slice_is(name, "tls-certificate") &&
            source->settings.certificates_len < SETTINGS_CERTIFICATES_MAX)
            source->certificate_lines[source->settings.certificates_len] = text->line;
        if (slice_is(name, "tls-priority"))
            source->priority_line = text->line;
        const char *wrong = settings_set(&source->settings, name.at, name.len, value.at, value.len);
        if (slice_is(name, "hostname") && source_is_number(value))
            report_warning(report, text->name, text->line,
                           "hostname: %.*s is not a name that other servers can look up: write "
                           "what this machine is called, as mx.example.org",
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
        address_parse_domain(name, strlen(name)) == ADDRESS_OK)
        add_domain(source, report, 0, (struct slice){name, strlen(name)});
    else
        report_error(report, source->conf_text.name, 0,
                     "no domain to receive mail for: add a line like `domains = example.org`");
}

static void read_settings(struct source *source, struct report *report)
{
    unsigned errors = report->errors;
    struct map seen = {0};
    struct slice line;

    settings_default(&source->settings);
    while (text_file_line(&source->conf_text, report, &line))
        read_setting(source, report, &seen, line);
    if (source->domains_len == 0 && report->errors == errors)
        use_own_domain(source, report);
    join_domains(source);
    map_free(&seen);
}

/* RFC 5321 4.5.1: whoever has trouble with a domain's mail must be able to reach someone. */
static void warn_of_postmasters(const struct source *source, struct report *report)
{
    for (size_t i = 0; i < source->domains_len; i++) {
        struct slice domain = source->domains[i];
        char key[ADDRESS_KEY_MAX + sizeof "postmaster@"];
        size_t prefix_len = strlen("postmaster"), len = prefix_len + 1 + domain.len, index;
        memcpy(mempcpy(key, "postmaster@", prefix_len + 1), domain.at, domain.len);
        if (map_find(&source->alias_map, (struct slice){key, len}, &index) ||
            map_find(&source->alias_map, (struct slice){key + prefix_len, len - prefix_len},
                     &index) ||
            (map_find(&source->user_map, (struct slice){key, len}, &index) &&
             !source->users[index].disabled))
            continue;
        report_warning(report, source->aliases_text.name, 0,
                       "no one gets the mail to postmaster@%.*s, which every domain must take: add "
                       "a line `postmaster@%.*s: USER`",
                       SLICE(domain), SLICE(domain));
    }
}

bool source_key(struct source *source, struct report *report, const char *file, unsigned line,
                struct slice written, bool local, struct slice *key)
{
    char bytes[ADDRESS_KEY_MAX];
    struct address address;
    size_t index;
    enum address_result result = address_parse(written.at, written.len, &address);

    *key = (struct slice){0};

    if (result != ADDRESS_OK || address.local_len == 0 || international_fold(&address) != 0) {
        report_error(report, file, line, "`%.*s` is not a mail address%s", SLICE(written),
                     result == ADDRESS_TOO_LONG ? ": it is too long" : source_hint());
        return false;
    }
    if (address.domain_len == 0) {
        if (source->domains_len == 0)
            return false; /* that there is none was said */
        address.domain_len = (uint16_t)source->domains[0].len;
        memcpy(address.domain, source->domains[0].at, address.domain_len);
    }
    size_t len = address_key(&address, bytes);
    const char *domain = bytes + address.local_len + 1;
    *key = (struct slice){pool_copy(&source->pool, (struct slice){bytes, len}), len};
    if (local &&
        !map_find(&source->domain_map, (struct slice){domain, address.domain_len}, &index)) {
        report_error(report, file, line,
                     "`%.*s`: %.*s is not one of the `domains` in mailslot.conf; mail is not "
                     "relayed elsewhere",
                     SLICE(written), (int)address.domain_len, domain);
        return false;
    }
    return true;
}

static bool read_text(struct source *source, struct report *report, struct text_file *text,
                      const char *folder, const char *name)
{
    if (text_file_read(text, folder, name) >= 0)
        return true;
    if (!report->tolerant)
        return false;
    source->unreadable = true;
    report_error(report, text->name, 0, "cannot be read: %s", strerror(errno));
    return true;
}

static int read_texts(struct source *source, struct report *report, const char *folder,
                      const struct slice *users, const char **file)
{
    int found;

    *file = NULL;
    if (!read_text(source, report, &source->conf_text, folder, "mailslot.conf"))
        *file = source->conf_text.name;
    else if (!read_text(source, report, &source->aliases_text, folder, "aliases"))
        *file = source->aliases_text.name;
    else if (users != NULL)
        text_file_borrow(&source->users_text, folder, "users", *users);
    else if ((found = text_file_read(&source->users_text, folder, "users")) < 0)
        *file = source->users_text.name;
    else if (found == 0)
        report_warning(report, source->users_text.name, 0,
                       "there is no such file: no one can receive mail; add a user with "
                       "`mailslot-user add ADDRESS`");
    return *file == NULL ? 0 : -1;
}

int source_load(struct source *source, struct report *report, const char *folder,
                const struct slice *users, const char **file)
{
    *source = (struct source){0};
    if (read_texts(source, report, folder, users, file) != 0)
        return -1;
    read_settings(source, report);
    source_read_users(source, report);
    source_read_aliases(source, report);
    source_flatten_aliases(source, report);
    folders_check(source, report);
    source_check_tls(source, report, folder);
    if (report->errors == 0)
        warn_of_postmasters(source, report);
    return 0;
}

int source_load_one(struct source *source, struct report *report, const char *folder,
                    const char *address, const char **file)
{
    struct slice written = {address, strlen(address)};

    *source = (struct source){0};
    if (read_texts(source, report, folder, NULL, file) != 0)
        return -1;
    read_settings(source, report);
    if (source_key(source, report, source->users_text.name, 0, written, false, &source->only))
        source_read_users(source, report);
    source_read_aliases(source, report);
    source_flatten_aliases(source, report);
    return 0;
}

static void write_sum(const char *name, const struct text_file *text, FILE *to)
{
    fprintf(to, "%s=%zu,%016" PRIx64 "\n", name, text->len, text->sum);
}

bool source_is_same(const struct source *source)
{
    return text_file_is_same(&source->conf_text) && text_file_is_same(&source->aliases_text) &&
           text_file_is_same(&source->users_text);
}

bool source_is_current(const struct source *source)
{
    return text_file_is_current(&source->conf_text) &&
           text_file_is_current(&source->aliases_text) && text_file_is_current(&source->users_text);
}

void source_write_sums(const struct source *source, FILE *to)
{
    write_sum("mailslot.conf", &source->conf_text, to);
    write_sum("users", &source->users_text, to);
    write_sum("aliases", &source->aliases_text, to);
}

bool source_is_absent(const char *folder)
{
    static const char *const names[] = {"mailslot.conf", "users", "aliases"};
    bool absent = true;

    for (size_t i = 0; absent && i < sizeof names / sizeof names[0]; i++) {
        char *path = memory_format("%s/%s", folder, names[i]);
        struct stat st;
        absent = lstat(path, &st) != 0 && errno == ENOENT;
        free(path);
    }
    return absent;
}

static bool is_changed(const char *folder, struct slice name, struct slice sum)
{
    char *file = memory_format("%.*s", SLICE(name)), *line = NULL;
    size_t len;
    struct text_file text = {0};
    bool changed = false;

    if (text_file_read(&text, folder, file) >= 0) {
        FILE *to = memory_stream(&line, &len);
        write_sum(file, &text, to);
        if (fclose(to) != 0)
            memory_fail();
        struct slice rest = {line, len}, same_name, now;
        changed = record_line(&rest, &same_name, &now) == 1 &&
                  (now.len != sum.len || memcmp(now.at, sum.at, now.len) != 0);
    }
    text_file_free(&text);
    free(line);
    free(file);
    return changed;
}

char *source_changed(const char *folder, struct database *db)
{
    struct slice sums, name, sum;

    if (database_find(db, "texts", (struct slice){0}, &sums) != 1)
        return NULL;
    while (record_line(&sums, &name, &sum) == 1)
        if (is_changed(folder, name, sum))
            return memory_format("%s/%.*s", folder, SLICE(name));
    return NULL;
}

void source_free(struct source *source)
{
    text_file_free(&source->conf_text);
    text_file_free(&source->users_text);
    text_file_free(&source->aliases_text);
    free(source->domains);
    free(source->users);
    free(source->aliases);
    free(source->targets);
    map_free(&source->domain_map);
    map_free(&source->user_map);
    map_free(&source->alias_map);
    report_forget(&source->errors);
    pool_free(&source->pool);
    *source = (struct source){0};
}
