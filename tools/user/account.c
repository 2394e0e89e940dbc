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

/* The fields of a line, the rest of which is in the last one. Returns their number. */
static size_t split(struct slice line, struct slice fields[FIELDS_MAX])
{
    size_t len = 0;
    bool more = true;

    while (more && len < FIELDS_MAX - 1) {
        more = memchr(line.at, ':', line.len) != NULL;
        fields[len++] = slice_cut(&line, ':');
    }
    if (more)
        fields[len++] = line;
    return len;
}

static bool is_number(struct slice text)
{
    uint64_t number;

    return slice_number(text, &number);
}

static enum account_kind find_kind(const struct slice fields[], size_t len)
{
    bool numbers = true; /* an empty field and -1 mean that there is none */

    for (size_t i = 2; i < len; i++)
        numbers =
            numbers && (fields[i].len == 0 || is_number(fields[i]) || slice_is(fields[i], "-1"));
    if (len == SHADOW_FIELDS && numbers)
        return ACCOUNT_SHADOW;
    bool scheme = slice_begins(fields[1], "{");
    bool address = memchr(fields[0].at, '@', fields[0].len) != NULL;
    if (len == PASSWD_FIELDS && !scheme && !address && is_number(fields[2]) && is_number(fields[3]))
        return ACCOUNT_PASSWD;
    return ACCOUNT_DOVECOT;
}

/* Removes `!` and `*` before a hash: both lock the account. */
static bool take_marks(struct account *account, struct slice *text)
{
    bool marked = false;

    for (; slice_begins(*text, "!") || slice_begins(*text, "*"); *text = slice_from(*text, 1)) {
        account->locked = account->locked || *text->at == '!' || text->len > 1;
        marked = true;
    }
    return marked;
}

/* Marks stand before the scheme or after it. `*` alone means that there is no password, and `x`
 * that the hash is in shadow. */
static void read_password(struct account *account, struct slice text)
{
    bool marked = take_marks(account, &text);
    const char *end = slice_begins(text, "{") ? memchr(text.at, '}', text.len) : NULL;

    if (end != NULL)
        account->scheme = (struct slice){text.at, (size_t)(end + 1 - text.at)};
    text = slice_from(text, account->scheme.len);
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
