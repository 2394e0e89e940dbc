#include "account.h"

#include <string.h>

enum {
    PASSWD_FIELDS = 7,  /* name, password, uid, gid, gecos, home, shell */
    SHADOW_FIELDS = 9,  /* name, password, six numbers, one that is reserved */
    DOVECOT_FIELDS = 8, /* as passwd, and all that follows */
    FIELDS_MAX = 10,
    EXPIRES = 7,
    UID_MIN = 1000, /* Debian Policy 9.2.2 */
    UID_RESERVED_MIN = 60000,
    UID_RESERVED_MAX = 65535,
};

/* The last one has the rest of the line. */
static size_t split(struct slice line, struct slice fields[FIELDS_MAX])
{
    size_t len = 0;

    while (len < FIELDS_MAX) {
        const char *colon = memchr(line.at, ':', line.len);
        size_t field_len =
            colon == NULL || len + 1 == FIELDS_MAX ? line.len : (size_t)(colon - line.at);
        fields[len++] = (struct slice){line.at, field_len};
        if (field_len == line.len)
            break;
        line = (struct slice){line.at + field_len + 1, line.len - field_len - 1};
    }
    return len;
}

static bool is_number(struct slice text)
{
    uint64_t number;

    return slice_number(text, &number);
}

static enum account_kind find_kind(const struct slice fields[], size_t len)
{
    bool numbers = true; /* -1 stands for none, too */

    for (size_t i = 2; i < len; i++)
        numbers =
            numbers && (fields[i].len == 0 || is_number(fields[i]) || slice_is(fields[i], "-1"));
    if (len == SHADOW_FIELDS && numbers)
        return ACCOUNT_SHADOW;
    bool scheme = fields[1].len > 0 && *fields[1].at == '{';
    bool address = memchr(fields[0].at, '@', fields[0].len) != NULL;
    if (len == PASSWD_FIELDS && !scheme && !address && is_number(fields[2]) && is_number(fields[3]))
        return ACCOUNT_PASSWD;
    return ACCOUNT_DOVECOT;
}

/* Takes marks off: a `!` before a hash locks, and so does a `*`. */
static bool take_marks(struct account *account, struct slice *text)
{
    bool marked = false;

    for (; text->len > 0 && (*text->at == '!' || *text->at == '*'); text->at++, text->len--) {
        account->locked = account->locked || *text->at == '!' || text->len > 1;
        marked = true;
    }
    return marked;
}

/* Marks come before the scheme or after it. No password fits a `*` alone, nor an `x`, which says
 * that the hash is in shadow. */
static void read_password(struct account *account, struct slice text)
{
    bool marked = take_marks(account, &text);
    const char *end = text.len > 0 && *text.at == '{' ? memchr(text.at, '}', text.len) : NULL;

    if (end != NULL)
        account->scheme = (struct slice){text.at, (size_t)(end + 1 - text.at)};
    text.at += account->scheme.len;
    text.len -= account->scheme.len;
    marked = take_marks(account, &text) || marked;
    if (account->scheme.len > 0 || !slice_is(text, "x"))
        account->hash = text;
    if (marked && text.len == 0)
        account->scheme = (struct slice){0};
}

static const char *read_passwd(struct account *account, const struct slice fields[])
{
    uint64_t uid = 0;

    slice_number(fields[2], &uid);
    account->is_system = uid < UID_MIN || (uid >= UID_RESERVED_MIN && uid <= UID_RESERVED_MAX);
    return NULL;
}

static const char *read_shadow(struct account *account, const struct slice fields[], uint64_t today)
{
    uint64_t expires;

    account->is_system = slice_is(account->name, "root");
    if (slice_number(fields[EXPIRES], &expires) && expires <= today)
        account->locked = true;
    return NULL;
}

static const char *read_dovecot(struct account *account, struct slice line,
                                const struct slice fields[], size_t len)
{
    if (len == 3 && fields[2].len > 0)
        return "three fields, as in mailslot's own `users`: copy the line there, and run "
               "mailslot-build";
    if (len < DOVECOT_FIELDS)
        return NULL;
    const char *extra = fields[DOVECOT_FIELDS - 1].at;
    account->extra = (struct slice){extra, (size_t)(line.at + line.len - extra)};
    return NULL;
}

const char *account_parse(struct slice line, uint64_t today, struct account *account)
{
    struct slice fields[FIELDS_MAX];
    size_t len = split(line, fields);

    *account = (struct account){.name = slice_trim(fields[0])};
    if (len < 2)
        return "no colon: not a line of passwd, shadow or a passwd-file of Dovecot";
    if (account->name.len == 0)
        return "no name before the first colon";
    if (*account->name.at == '+')
        return "`+` stands for users of NIS: import what `getent passwd` prints";
    account->kind = find_kind(fields, len);
    read_password(account, slice_trim(fields[1]));
    return account->kind == ACCOUNT_PASSWD   ? read_passwd(account, fields)
           : account->kind == ACCOUNT_SHADOW ? read_shadow(account, fields, today)
                                             : read_dovecot(account, line, fields, len);
}
