#include "account.h"

#include "../../smtpd/database/socket_path.h"

#include <string.h>

/* `*:storage=1G`, `*:bytes=1000`. *left_out: something in it has no equivalent here. */
static const char *read_quota(struct account *account, struct slice rule, bool *left_out)
{
    static const char units[] = "BKMGT";
    bool storage = slice_begins(rule, "*:storage=");

    if (!storage && !slice_begins(rule, "*:bytes=")) {
        *left_out = true;
        return NULL;
    }
    slice_cut(&rule, '=');
    struct slice size = slice_until(rule, ':');
    *left_out = size.len < rule.len;
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

static bool read_inbox(struct account *account, struct slice path)
{
    /* A comma separates options in `users`. */
    if (!slice_begins(path, "/") || memchr(path.at, ',', path.len) != NULL)
        return false;
    account->mailbox = path;
    account->store = (struct slice){0};
    return true;
}

static const char *read_store(struct account *account, struct slice path)
{
    account->store = path;
    account->mailbox = (struct slice){0};
    return socket_path_wrong(path);
}

/* `mbox:ROOT:INBOX=/PATH`; nothing else is one mailbox in one file. */
static bool read_mail(struct account *account, struct slice location)
{
    if (!slice_begins(location, "mbox:"))
        return false;
    while (location.len > 0) {
        struct slice part = slice_cut(&location, ':');
        if (slice_begins(part, "INBOX=/"))
            return read_inbox(account, slice_from(part, strlen("INBOX=")));
    }
    return false;
}

/* `%%` is a percent sign; any other variable is known to Dovecot only. */
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
    struct slice value = slice_cut_word(&account->extra);
    *field = slice_cut(&value, '=');
    if (slice_is(*field, "nologin"))
        account->nologin = true;
    else if (!expand(pool, &value))
        *left_out = true;
    else if (slice_is(*field, ACCOUNT_QUOTA))
        *wrong = read_quota(account, value, left_out);
    else if (slice_is(*field, ACCOUNT_MAIL))
        *left_out = !read_mail(account, value);
    else if (slice_is(*field, ACCOUNT_INBOX))
        *left_out = !read_inbox(account, value);
    else if (slice_is(*field, ACCOUNT_SCRAM))
        account->verifiers = value;
    else if (slice_is(*field, ACCOUNT_SEND_AS))
        account->send_as = value;
    else if (slice_is(*field, ACCOUNT_STORE))
        *wrong = read_store(account, value);
    else if (slice_is(*field, ACCOUNT_STATE))
        *wrong = read_state(account, value);
    else
        *left_out = true;
    return true;
}
