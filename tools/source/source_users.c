#include "../kit/memory.h"
#include "source_options.h"

#include <string.h>

/* Why can this not be the name of a mailbox's file? NULL: it can. */
static const char *unsafe_name(struct slice name)
{
    if (name.len == 0)
        return "it is empty";
    if (name.len > SOURCE_FILE_NAME_MAX)
        return "it is longer than 200 bytes";
    if (memchr(name.at, '/', name.len) != NULL)
        return "it contains a slash";
    if (*name.at == '.' || *name.at == '-')
        return "it begins with a dot or a hyphen";
    return source_wrong_ending(name);
}

/* DOMAIN/LOCALPART, or in the store where all are who have no mailbox of their own. */
static void use_own_mailbox(const struct source_place *place, struct source_user *user)
{
    const char *at = memrchr(user->key.at, '@', user->key.len);
    struct slice local = {user->key.at, (size_t)(at - user->key.at)};
    struct slice domain = {at + 1, user->key.len - local.len - 1};

    if (place->source->store.len > 0) {
        user->mailbox = place->source->store;
        return;
    }
    const char *wrong = unsafe_name(local);

    if (wrong != NULL) {
        report_error(place->report, place->file, place->line,
                     "`%.*s` cannot be the name of a file (%s): give the user a mailbox=/PATH",
                     SLICE(local), wrong);
        return;
    }
    char *path = pool_text(&place->source->pool, user->key.len + 1);
    user->mailbox = (struct slice){path, user->key.len};
    path = mempcpy(path, domain.at, domain.len);
    *path++ = '/';
    *(char *)mempcpy(path, local.at, local.len) = '\0';
}

static void add_user(const struct source_place *place, const struct source_user *user)
{
    struct source *source = place->source;
    char delimiter = source->settings.recipient_delimiter;
    const char *at = memrchr(user->key.at, '@', user->key.len);
    size_t index = source->users_len;

    if (!map_add(&source->user_map, user->key, &index)) {
        report_error(place->report, place->file, place->line,
                     "user %.*s is already defined in line %u: remove one of the two",
                     SLICE(user->key), source->users[index].line);
        if (!user->credentials.locked)
            source->users[index].open_again = user->credentials_text;
        return;
    }
    if (delimiter != '\0' && memchr(user->key.at, delimiter, (size_t)(at - user->key.at)) != NULL)
        report_warning(place->report, place->file, place->line,
                       "%.*s contains the recipient-delimiter `%c`; the whole name is tried first, "
                       "so this works",
                       SLICE(user->key), delimiter);
    source->users =
        memory_grow(source->users, source->users_len, &source->users_room, sizeof *source->users);
    source->users[source->users_len++] = *user;
}

/* Is it certainly not the name of the only user to be read? This is a quick test: true only if the
 * local part is another one and needs no decoding. */
static bool is_other(const struct source *source, struct slice written)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789._-+";
    const char *end = memrchr(source->only.at, '@', source->only.len);
    size_t local_len = (size_t)(end - source->only.at), len = 0;
    bool same = true;

    for (; len < written.len && written.at[len] != '@'; len++) {
        char c = written.at[len];
        c = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
        if (strchr(plain, c) == NULL)
            return false;
        same = same && len < local_len && c == source->only.at[len];
    }
    return !same || len != local_len;
}

static bool is_only(const struct source *source, struct slice key)
{
    return source->only.at == NULL || slice_equal(key, source->only);
}

/* The beginning of a field that can be an address: up to a blank or a control character. */
static struct slice address_at_start(struct slice field)
{
    size_t len = 0;

    while (len < field.len && (unsigned char)field.at[len] > ' ' && field.at[len] != 0x7f)
        len++;
    return (struct slice){field.at, len};
}

/* Returns the address; *rest becomes what follows its colon. Even a line that cannot be read
 * belongs to a user if it begins with the address, so that the user can be locked and deleted. */
static struct slice cut_address(const struct source_place *place, bool *whole, struct slice *rest)
{
    struct slice written = slice_trim(text_file_cut(rest, ':'));

    if (rest->at == NULL && *whole)
        report_error(
            place->report, place->file, place->line,
            "write ADDRESS:CREDENTIALS:OPTIONS (`ADDRESS::` for a user who cannot log in)");
    *whole = *whole && rest->at != NULL;
    if (!*whole)
        written = address_at_start(written);
    if (rest->at == NULL)
        *rest = (struct slice){written.at + written.len, 0};
    return written;
}

static void check_quota(const struct source_place *place, const struct source_user *user)
{
    struct slice store;

    if (user->quota > 0 && source_in_store(user, &store))
        report_error(place->report, place->file, place->line,
                     "quota: the mailbox is in a mail store (%.*s), which has quotas of its own: "
                     "remove it here",
                     SLICE(store));
}

static void read_user(const struct source_place *at, struct slice line)
{
    struct report quiet = {.lenient = true, .no_warnings = true};
    struct source_place here = *at, *place = &here;
    struct source_user user = {.line = place->line};
    struct slice rest = slice_trim(line);
    bool whole = !place->source->users_text.is_wrong;
    struct slice written = cut_address(place, &whole, &rest);

    if (!whole)
        here.report = &quiet; /* one error is enough */
    unsigned errors = place->report->errors;
    if (place->source->only.at != NULL && is_other(place->source, written))
        return;
    const char *colon = memchr(rest.at, ':', rest.len);
    user.credentials_text = rest;
    if (colon != NULL)
        user.credentials_text.len = (size_t)(colon - rest.at);
    source_key(place->source, place->report, place->file, place->line, written, true, &user.key);
    if (user.key.at == NULL || !is_only(place->source, user.key))
        return;
    const char *wrong = credentials_parse(slice_trim(user.credentials_text), &user.credentials);
    user.credentials_wrong = wrong != NULL || (!whole && rest.len == 0);
    if (wrong != NULL)
        report_error(place->report, place->file, place->line, "%.*s: %s", SLICE(user.key), wrong);
    struct slice options = {0};
    if (colon != NULL)
        user.options = (struct slice){colon + 1, (size_t)(rest.at + rest.len - colon) - 1};
    options = slice_trim(user.options);
    if (options.len > 0)
        source_read_options(place, &user, options);
    if (user.mailbox.at == NULL && errors == place->report->errors)
        use_own_mailbox(place, &user);
    check_quota(place, &user);
    user.wrong = !whole || errors != place->report->errors;
    add_user(place, &user);
}

void source_pass(const struct source *source, const struct source_user *user, size_t *passed)
{
    size_t at = (size_t)(user->credentials_text.at - source->users_text.bytes);

    if (at - *passed <= TEXT_FILE_PASS)
        return;
    text_file_pass(&source->users_text, *passed, at);
    *passed = at;
}

bool source_has_login(const struct source_user *user)
{
    return !credentials_is_empty(&user->credentials) && !user->credentials_wrong &&
           !user->credentials.locked && !user->disabled;
}

/* As soon as one user has a verifier, the server offers SCRAM to everyone, because it cannot know
 * who will log in. A client that chooses it for a user without a verifier is refused, even with the
 * right password. */
static void warn_of_verifiers(const struct source *source, struct report *report)
{
    bool scram = false;

    for (size_t i = 0; i < source->users_len && !scram; i++)
        scram =
            source_has_login(&source->users[i]) && source->users[i].credentials.verifiers_len > 0;
    for (size_t i = 0; i < source->users_len && scram; i++) {
        const struct source_user *user = &source->users[i];
        if (source_has_login(user) && user->credentials.verifiers_len == 0)
            report_warning(
                report, source->users_text.name, user->line,
                "%.*s has no SCRAM verifier, but other users do: clients that choose SCRAM cannot "
                "log in; set the password again with `mailslot-user passwd`",
                SLICE(user->key));
    }
}

void source_read_users(struct source *source, struct report *report)
{
    struct text_file *text = &source->users_text;
    struct slice line;

    if (source->only.at == NULL)
        map_expect(&source->user_map, text->lines);
    text->takes_wrong = true;
    while (text_file_line(text, report, &line)) {
        struct source_place place = {source, report, text->name, text->line};
        read_user(&place, line);
    }
    warn_of_verifiers(source, report);
}
