#include "account.h"

#include <string.h>

/* `*:storage=1G`, `*:bytes=1000`. *left_out: there is more than can be had here. */
static const char *read_quota(struct account *account, struct slice rule, bool *left_out)
{
    static const char units[] = "BKMGT";
    bool storage = slice_begins(rule, "*:storage=");

    if (!storage && !slice_begins(rule, "*:bytes=")) {
        *left_out = true;
        return NULL;
    }
    const char *equals = memchr(rule.at, '=', rule.len);
    struct slice size = {equals + 1, 0};
    size.len = (size_t)(rule.at + rule.len - size.at);
    const char *colon = memchr(size.at, ':', size.len);
    *left_out = colon != NULL;
    if (colon != NULL)
        size.len = (size_t)(colon - size.at);
    unsigned shift = storage ? 10 : 0;
    char last = size.len > 0 ? (char)(size.at[size.len - 1] & ~('a' - 'A')) : '\0';
    const char *unit = last == '\0' ? NULL : strchr(units, last);
    if (unit != NULL) {
        shift = 10 * (unsigned)(unit - units);
        size.len--;
    }
    uint64_t number;
    if (!slice_number(size, &number) || number > (uint64_t)INT64_MAX >> shift)
        return "not a size: write *:storage= and a number with one of the units B, K, M, G, T";
    account->quota = number << shift;
    return NULL;
}

/* `mbox:ROOT:INBOX=/PATH`; nothing else is one mailbox in one file. */
static bool read_mail(struct account *account, struct slice location)
{
    struct slice part = {0};

    if (!slice_begins(location, "mbox:"))
        return false;
    for (const char *at = location.at, *end = at + location.len; at < end; at += part.len + 1) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        part = (struct slice){at, (size_t)((colon == NULL ? end : colon) - at)};
        if (!slice_begins(part, "INBOX=/"))
            continue;
        struct slice path = {part.at + strlen("INBOX="), part.len - strlen("INBOX=")};
        if (memchr(path.at, ',', path.len) != NULL) /* it separates options here */
            return false;
        account->mailbox = path;
        return true;
    }
    return false;
}

/* `%%` is a percent sign; any other variable is Dovecot's to know. */
static bool expand(struct pool *pool, struct slice *value)
{
    if (memchr(value->at, '%', value->len) == NULL)
        return true;
    char *copy = pool_copy(pool, *value), *to = copy;
    for (size_t i = 0; i < value->len; i++) {
        if (copy[i] == '%' && (++i == value->len || copy[i] != '%'))
            return false;
        *to++ = copy[i];
    }
    *value = (struct slice){copy, (size_t)(to - copy)};
    return true;
}

static const char *read_state(struct account *account, struct slice state)
{
    bool locked = slice_is(state, "disabled,locked");

    account->disabled = true;
    account->locked = account->locked || locked;
    return locked || slice_is(state, "disabled") ? NULL : "write disabled, or disabled,locked";
}

bool account_next_extra(struct account *account, struct pool *pool, struct slice *field,
                        bool *left_out, const char **wrong)
{
    *wrong = NULL;
    *left_out = false;
    account->extra = slice_trim(account->extra);
    if (account->extra.len == 0) {
        account->locked = account->locked || (account->nologin && !account->disabled);
        return false;
    }
    *field = slice_cut_word(&account->extra);
    const char *equals = memchr(field->at, '=', field->len);
    struct slice value = {field->at + field->len, 0};
    if (equals != NULL) {
        value = (struct slice){equals + 1, (size_t)(value.at - equals) - 1};
        field->len = (size_t)(equals - field->at);
    }
    if (slice_is(*field, "nologin"))
        account->nologin = true;
    else if (!expand(pool, &value))
        *left_out = true;
    else if (slice_is(*field, ACCOUNT_QUOTA))
        *wrong = read_quota(account, value, left_out);
    else if (slice_is(*field, ACCOUNT_MAIL))
        *left_out = !read_mail(account, value);
    else if (slice_is(*field, ACCOUNT_SCRAM))
        account->verifiers = value;
    else if (slice_is(*field, ACCOUNT_SEND_AS))
        account->send_as = value;
    else if (slice_is(*field, ACCOUNT_STATE))
        *wrong = read_state(account, value);
    else
        *left_out = true;
    return true;
}
