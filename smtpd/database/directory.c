#include "directory.h"

#include "../base/international.h"
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int directory_settings(struct database *db, struct settings *settings)
{
    struct slice text;

    settings_default(settings);
    bool good = database_find(db, "settings", (struct slice){0}, &text) == 1 &&
                settings_parse(settings, text) == 0 && settings->domains.len > 0;
    if (!good)
        settings_default(settings);
    settings_fill_hostname(settings->session.hostname);
    return good ? 0 : -1;
}

/* An alias is disabled if all of its targets are. */
static enum verdict unless_disabled(struct database *db, struct directory_match *match,
                                    enum verdict verdict)
{
    struct directory_match rest = *match;
    struct directory_target target;
    int more;

    while ((more = directory_next_target(db, &rest, &target)) == 1)
        if (!target.user.disabled)
            return verdict;
    return more == 0 ? VERDICT_DISABLED : VERDICT_DATABASE;
}

static struct slice key_of(const struct address *address, char key[ADDRESS_KEY_MAX])
{
    return (struct slice){key, address_key(address, key)};
}

static int find_alias(struct database *db, struct slice key, struct directory_match *match)
{
    return database_find(db, "alias", key, &match->targets);
}

/* Finds exactly this address. An alias takes precedence over a user, so that it can copy a
 * user's mail. The user's record tells whether there is such an alias: most look-ups need no
 * second one. */
static enum verdict find_exact(struct database *db, struct directory_match *match)
{
    char bytes[ADDRESS_KEY_MAX];
    struct slice key = key_of(&match->address, bytes);
    struct directory_user user;

    int found = directory_user(db, key, &user);
    if (found == 0 || (found == 1 && user.aliased)) {
        int alias = find_alias(db, key, match);
        if (alias == 1)
            return unless_disabled(db, match, VERDICT_ALIAS);
        found = alias < 0 ? alias : found;
    }
    if (found <= 0)
        return found == 0 ? VERDICT_UNKNOWN : VERDICT_DATABASE;
    match->targets = user.address;
    match->targets.len++; /* with the newline after it in the record */
    return user.disabled ? VERDICT_DISABLED : VERDICT_USER;
}

/* NULL: there is no delimiter, or no name before it. */
static const char *find_delimiter(const struct settings *settings, const struct address *address)
{
    const char *found =
        settings->recipient_delimiter == '\0'
            ? NULL
            : memchr(address->local, settings->recipient_delimiter, address->local_len);

    return found == address->local ? NULL : found;
}

static enum verdict find_without_detail(struct database *db, const struct settings *settings,
                                        struct directory_match *match)
{
    struct address whole = match->address;
    const char *delimiter = find_delimiter(settings, &whole);

    if (delimiter == NULL)
        return VERDICT_UNKNOWN;
    match->address.local_len = (uint16_t)(delimiter - whole.local);
    enum verdict verdict = find_exact(db, match);
    if (verdict == VERDICT_UNKNOWN)
        match->address = whole;
    return verdict;
}

static enum verdict find_catch_all(struct database *db, struct directory_match *match)
{
    struct address all = match->address;
    char key[ADDRESS_KEY_MAX];

    all.local_len = 0;
    int found = find_alias(db, key_of(&all, key), match);
    if (found == 1)
        return unless_disabled(db, match, VERDICT_CATCH_ALL);
    return found == 0 ? VERDICT_UNKNOWN : VERDICT_DATABASE;
}

/* Completes a local part alone with the first domain. */
static void qualify(const struct settings *settings, struct address *address)
{
    struct slice first = slice_until(settings->domains, ' ');

    if (address->domain_len > 0 || first.len > ADDRESS_DOMAIN_MAX)
        return;
    memcpy(address->domain, first.at, first.len);
    address->domain_len = (uint16_t)first.len;
}

/* Nobody can have a name that is too long once it is folded; but the part before the delimiter may
 * be a name, and a catch-all needs no name. */
static int fold(const struct settings *settings, struct address *address)
{
    const char *delimiter = find_delimiter(settings, address);

    if (international_fold(address) == 0)
        return 0;
    if (errno == EINVAL && delimiter != NULL) {
        address->local_len = (uint16_t)(delimiter - address->local);
        if (international_fold(address) == 0)
            return 0;
    }
    if (errno != EINVAL)
        return -1;
    address->local_len = 0;
    return international_fold(address);
}

/* Anybody can read the hostname in the greeting and write to its postmaster (RFC 5321 4.5.1),
 * even if it is not a domain for mail. */
static bool is_hosts_postmaster(const struct settings *settings, const struct address *address)
{
    struct slice local = {address->local, address->local_len};

    return slice_is(local, "postmaster") &&
           address->domain_len == strlen(settings->session.hostname) &&
           strncasecmp(address->domain, settings->session.hostname, address->domain_len) == 0;
}

/* Is it the first domain, which is most often the only one? The settings have been read already. */
static bool is_first_domain(const struct settings *settings, const struct address *address)
{
    struct address first = {.domain_len = 0};

    qualify(settings, &first);
    return first.domain_len == address->domain_len &&
           memcmp(first.domain, address->domain, address->domain_len) == 0;
}

static int find_domain(struct database *db, const struct settings *settings,
                       const struct address *address)
{
    struct slice ignored;

    if (is_first_domain(settings, address))
        return 1;
    return database_find(db, "domain", (struct slice){address->domain, address->domain_len},
                         &ignored);
}

enum verdict directory_find(struct database *db, const struct settings *settings,
                            const struct address *address, struct directory_match *match)
{
    char key[ADDRESS_KEY_MAX];

    if (db->state != DATABASE_OPEN || settings->domains.len == 0)
        return VERDICT_DATABASE;
    *match = (struct directory_match){.address = *address};
    qualify(settings, &match->address);
    if (fold(settings, &match->address) != 0)
        return errno == ENOSYS ? VERDICT_DATABASE : VERDICT_FOREIGN;
    address_from_key((struct slice){key, address_key(&match->address, key)}, &match->address);

    int local = find_domain(db, settings, &match->address);
    if (local == 0 && is_hosts_postmaster(settings, &match->address)) {
        match->address.domain_len = 0;
        qualify(settings, &match->address);
        local = find_domain(db, settings, &match->address);
    }
    if (local <= 0)
        return local == 0 ? VERDICT_FOREIGN : VERDICT_DATABASE;
    enum verdict verdict = VERDICT_UNKNOWN;
    if (match->address.local_len > 0) /* the key of ""@domain is that of the catch-all */
        verdict = find_exact(db, match);
    if (verdict == VERDICT_UNKNOWN)
        verdict = find_without_detail(db, settings, match);
    if (verdict == VERDICT_UNKNOWN)
        verdict = find_catch_all(db, match);
    return verdict;
}

static bool is_named(enum verdict verdict)
{
    return verdict == VERDICT_USER || verdict == VERDICT_ALIAS;
}

static enum verdict verify_one(struct database *db, const struct settings *settings,
                               const struct address *address,
                               struct address names[VERDICT_NAMES_MAX], uint32_t *count)
{
    struct directory_match match;
    enum verdict verdict = directory_find(db, settings, address, &match);

    if (is_named(verdict) && *count < VERDICT_NAMES_MAX)
        names[*count] = match.address;
    *count += is_named(verdict);
    return verdict;
}

enum verdict directory_verify(struct database *db, const struct settings *settings,
                              const struct address *address,
                              struct address names[VERDICT_NAMES_MAX], uint32_t *count)
{
    enum verdict best = VERDICT_UNKNOWN;
    struct address local = *address;

    *count = 0;
    if (address->domain_len > 0 || settings->domains.len == 0)
        return verify_one(db, settings, address, names, count);
    for (struct slice rest = settings->domains; rest.len > 0;) {
        struct slice domain = slice_cut(&rest, ' ');
        if (domain.len > ADDRESS_DOMAIN_MAX)
            return VERDICT_DATABASE;
        memcpy(local.domain, domain.at, domain.len);
        local.domain_len = (uint16_t)domain.len;
        enum verdict verdict = verify_one(db, settings, &local, names, count);
        if (verdict == VERDICT_DATABASE)
            return VERDICT_DATABASE;
        if (verdict < best) /* they stand in this order */
            best = verdict;
    }
    return *count > 1 ? VERDICT_AMBIGUOUS : best;
}

ptrdiff_t directory_login(const struct settings *settings, struct slice name,
                          char key[ADDRESS_KEY_MAX])
{
    struct address address;

    if (address_parse(name, &address) != ADDRESS_OK || address.local_len == 0)
        return -1;
    qualify(settings, &address);
    return international_fold(&address) == 0 ? (ptrdiff_t)address_key(&address, key) : -1;
}

/* Is the address, or its domain, in a send-as line of the user's record? */
static int is_send_as(struct database *db, struct slice key, struct slice sender)
{
    const char *at = memrchr(sender.at, '@', sender.len);
    struct slice domain = slice_from(sender, (size_t)(at - sender.at));
    struct slice text, name, value;
    int more, found = database_find(db, "user", key, &text);

    if (found <= 0)
        return found;
    while ((more = record_line(&text, &name, &value)) == 1)
        if (slice_is(name, "send-as") && (slice_equal(value, sender) || slice_equal(value, domain)))
            return 1;
    return more;
}

int directory_may_send(struct database *db, const struct settings *settings, struct slice key,
                       const struct address *sender)
{
    struct address folded = *sender;
    struct directory_match match;
    struct directory_target target;
    char bytes[ADDRESS_KEY_MAX];
    int more;

    if (international_fold(&folded) == 0) {
        int listed = is_send_as(db, key, key_of(&folded, bytes));
        if (listed != 0)
            return listed;
    }
    enum verdict verdict = directory_find(db, settings, sender, &match);
    if (verdict == VERDICT_DATABASE)
        return -1;
    /* An alias of the user's name changes where its mail goes, not who owns the address. */
    if (slice_equal(key_of(&match.address, bytes), key))
        return 1;
    if (verdict != VERDICT_USER && verdict != VERDICT_ALIAS)
        return 0;
    while ((more = directory_next_target(db, &match, &target)) == 1)
        if (slice_equal(target.user.address, key))
            return 1;
    return more;
}
