#include "source.h"

#include "../../smtpd/base/international.h"
#include "../kit/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

bool source_domain(struct source *source, struct slice written, struct slice *domain)
{
    char name[ADDRESS_DOMAIN_MAX + 1];

    if (address_parse_domain(written) != ADDRESS_OK)
        return false;
    *domain = (struct slice){pool_lower(&source->pool, written), written.len};
    if (slice_is_ascii(written))
        return true;
    if (international_domain(written, name) != 0)
        return false;
    *domain = (struct slice){pool_copy(&source->pool, slice_of(name)), strlen(name)};
    return true;
}

bool source_domain_key(struct source *source, struct slice written, struct slice *key)
{
    struct slice domain;

    if (!source_domain(source, (struct slice){written.at + 1, written.len - 1}, &domain))
        return false;
    *key = (struct slice){pool_format(&source->pool, "@%.*s", SLICE(domain)), domain.len + 1};
    return true;
}

bool source_key(struct source *source, struct report *report, const char *file, unsigned line,
                struct slice written, bool local, struct slice *key)
{
    char bytes[ADDRESS_KEY_MAX];
    struct address address;
    size_t index;
    enum address_result result = address_parse(written, &address);

    *key = (struct slice){0};

    if (result != ADDRESS_OK || address.local_len == 0 || international_fold(&address) != 0) {
        report_error(report, file, line, "`%.*s` is not a mail address%s", SLICE(written),
                     result == ADDRESS_TOO_LONG ? ": it is too long" : source_hint());
        return false;
    }
    if (address.domain_len == 0) {
        if (source->domains_len == 0)
            return false; /* already reported */
        address.domain_len = (uint16_t)source->domains[0].len;
        memcpy(address.domain, source->domains[0].at, address.domain_len);
    }
    size_t len = address_key(&address, bytes);
    const char *domain = bytes + address.local_len + 1;
    *key = (struct slice){pool_copy(&source->pool, (struct slice){bytes, len}), len};
    if (local &&
        !map_find(&source->domain_map, (struct slice){domain, address.domain_len}, &index)) {
        report_error(report, file, line,
                     "`%.*s`: %.*s is not one of the `domains` in mailslot.conf", SLICE(written),
                     (int)address.domain_len, domain);
        return false;
    }
    return true;
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
    map_free(&source->hop_map);
    map_free(&source->conf_lines);
    free(source->hops);
    report_forget(&source->errors);
    pool_free(&source->pool);
    *source = (struct source){0};
}
