#include "../../smtpd/database/socket_path.h"
#include "../kit/directive.h"
#include "../kit/units.h"
#include "source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The words of a value, as they are put together again with one space between them. */
struct words {
    struct source *source;
    char *bytes;
    size_t len;
};

static struct words words_begin(struct source *source, struct slice value)
{
    /* No word grows by more than its domain does. */
    size_t room = (value.len / 2 + 1) * (ADDRESS_DOMAIN_MAX + 1) + value.len + 1;

    return (struct words){source, pool_get(&source->pool, room), 0};
}

static void words_add(struct words *words, struct slice before, struct slice domain,
                      struct slice after)
{
    char *to = words->bytes + words->len;

    if (words->len > 0)
        *to++ = ' ';
    to = mempcpy(to, before.at, before.len);
    to = mempcpy(to, domain.at, domain.len);
    to = mempcpy(to, after.at, after.len);
    words->len = (size_t)(to - words->bytes);
}

/* The domain in its ASCII form. One that cannot be converted stays, for settings_set() to judge. */
static struct slice ascii(struct source *source, struct slice written)
{
    struct slice domain;

    return source_domain(source, written, &domain) ? domain : written;
}

/* PATH @DOMAIN ... */
static struct slice relay_value(struct source *source, struct slice value)
{
    struct words words = words_begin(source, value);
    struct slice none = {"", 0};

    for (struct slice rest = value; rest.len > 0;) {
        struct slice word = slice_cut_word(&rest);
        if (*word.at == '@')
            words_add(&words, (struct slice){word.at, 1}, ascii(source, slice_from(word, 1)), none);
        else
            words_add(&words, word, none, none);
    }
    return (struct slice){words.bytes, words.len};
}

/* HOST:PORT ... */
static struct slice smarthost_value(struct source *source, struct slice value)
{
    struct words words = words_begin(source, value);

    for (struct slice rest = value; rest.len > 0;) {
        struct slice word = slice_cut_word(&rest);
        const char *colon = memrchr(word.at, ':', word.len);
        struct slice host = {word.at, colon == NULL ? word.len : (size_t)(colon - word.at)};
        words_add(&words, (struct slice){"", 0}, ascii(source, host), slice_from(word, host.len));
    }
    return (struct slice){words.bytes, words.len};
}

/* With one space between them. */
static struct slice words_value(struct source *source, struct slice value)
{
    struct words words = words_begin(source, value);
    struct slice none = {"", 0};

    for (struct slice rest = value; rest.len > 0;)
        words_add(&words, slice_cut_word(&rest), none, none);
    return (struct slice){words.bytes, words.len};
}

static struct slice names_value(struct source *source, struct slice value, const char **wrong)
{
    if (slice_has(value, ',') || slice_has(value, ':'))
        *wrong = "write names of system users, with blanks between them";
    return words_value(source, value);
}

bool source_written_key(struct source *source, struct slice written, struct slice *key)
{
    char bytes[ADDRESS_KEY_MAX];
    struct address address;
    struct slice domain;

    if (address_parse(written, &address) != ADDRESS_OK || address.local_len == 0 ||
        address.domain_len == 0 ||
        !source_domain(source, (struct slice){address.domain, address.domain_len}, &domain))
        return false;
    char *to = mempcpy(bytes, address.local, address.local_len);
    *to++ = '@';
    to = mempcpy(to, domain.at, domain.len);
    *key = (struct slice){bytes, (size_t)(to - bytes)};
    key->at = pool_copy(&source->pool, *key);
    return true;
}

static struct slice sender_value(struct source *source, struct slice value)
{
    struct slice key;

    return source_written_key(source, value, &key) ? key : value;
}

struct slice source_hop_value(struct source *source, struct slice name, struct slice value,
                              const char **wrong)
{
    *wrong = NULL;
    if (slice_is(name, "relay"))
        return relay_value(source, value);
    if (slice_is(name, "milter"))
        return words_value(source, value);
    if (slice_is(name, "smarthost"))
        return smarthost_value(source, value);
    if (slice_is(name, "local-submission"))
        return names_value(source, value, wrong);
    return slice_is(name, "forward-sender") ? sender_value(source, value) : value;
}

bool source_is_same_socket(struct slice path, const char *other)
{
    char name[SOCKET_PATH_MAX + 1];
    struct stat one, two;

    if (slice_is(path, other))
        return true;
    snprintf(name, sizeof name, "%.*s", SLICE(path));
    return stat(name, &one) == 0 && stat(other, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino;
}

/* Does a socket unit listen at the path, also according to the administrator's drop-ins? */
static bool is_of_unit(struct slice path, const char *unit)
{
    char *list = directive_list(unit, "ListenStream"), *rest = list, *value;
    bool found = false;

    while (!found && (value = strsep(&rest, "\n")) != NULL)
        found = *value == '/' && source_is_same_socket(path, value);
    free(list);
    return found;
}

bool source_is_own_socket(struct slice path)
{
    for (size_t i = 0; i < UNITS_ROLES; i++) {
        const struct units_role *role = &units_roles[i];
        if (role->path != NULL && source_is_same_socket(path, role->path))
            return true;
        if (units_are_used() && (is_of_unit(path, role->session) || is_of_unit(path, role->listen)))
            return true;
    }
    return false;
}

const char *source_store_wrong(struct source *source, struct slice path)
{
    const char *wrong = socket_path_wrong(path);

    if (wrong != NULL || slice_equal(path, source->good_store))
        return wrong;
    if (source_is_own_socket(path))
        return "this socket is mailslot's own, so mail would go in circles: write that of a mail "
               "store, such as lmtp:/run/dovecot/lmtp";
    if (source_is_same_socket(path, SETTINGS_RELAY_DEFAULT))
        return "this is the socket of mailslot-relay, which is no mail store";
    source->good_store = path;
    return NULL;
}

bool source_in_store(const struct source_user *user, struct slice *path)
{
    return socket_path_of_store(user->mailbox, path);
}
