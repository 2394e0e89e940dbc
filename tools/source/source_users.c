#include "../../smtpd/mailbox/mbox_open.h"
#include "../kit/memory.h"
#include "source.h"

#include <string.h>

enum { FILE_NAME_MAX = 200 }; /* so that names of lock files, which are longer, fit */

/* The line that is read, for messages. */
struct place {
    struct source *source;
    struct report *report;
    const char *file;
    unsigned line;
};

enum option { OPTION_QUOTA, OPTION_SEND_AS, OPTION_DISABLED, OPTION_MAILBOX, OPTIONS };

static const char *const option_names[OPTIONS] = {"quota", "send-as", "disabled", "mailbox"};

/* For the last name of a path, too. */
static const char *unsafe_ending(struct slice name)
{
    return mbox_is_reserved(name) ? "names that end in `.lock` and `.undo` are reserved" : NULL;
}

/* Why can this not be the name of a mailbox's file? NULL: it can. */
static const char *unsafe_name(struct slice name)
{
    if (name.len == 0)
        return "it is empty";
    if (name.len > FILE_NAME_MAX)
        return "it is longer than 200 bytes";
    if (memchr(name.at, '/', name.len) != NULL)
        return "it contains a slash";
    if (*name.at == '.' || *name.at == '-')
        return "it begins with a dot or a hyphen";
    return unsafe_ending(name);
}

static const char *unsafe_path(struct slice path)
{
    if (path.len == 0 || *path.at != '/')
        return "write an absolute path";
    if (path.len >= SETTINGS_PATH_MAX)
        return "the path is too long";
    if (memchr(path.at, ',', path.len) != NULL) /* after a quotation mark or a bracket */
        return "the path of a mailbox cannot contain a comma";
    struct slice name = {0};
    for (size_t start = 1; start <= path.len; start += name.len + 1) {
        const char *slash = memchr(path.at + start, '/', path.len - start);
        name.at = path.at + start;
        name.len = slash == NULL ? path.len - start : (size_t)(slash - name.at);
        if (name.len == 0)
            return "write the path of a file, with no slash at the end and no two in a row";
        if (slice_is(name, ".") || slice_is(name, ".."))
            return "write the path without `.` and `..`";
        if (name.len > FILE_NAME_MAX)
            return "a name in the path is longer than 200 bytes";
    }
    return unsafe_ending(name);
}

static void add_send_as(const struct place *place, struct source_user *user, struct slice item)
{
    struct slice key, old = user->send_as;

    if (item.len > 0 && *item.at == '@') {
        if (!source_domain_key(place->source, item, &key)) {
            report_error(place->report, place->file, place->line,
                         "send-as: `%.*s` is not a domain name after an @%s", SLICE(item),
                         source_hint());
            return;
        }
    } else if (!source_key(place->source, place->report, place->file, place->line, item, false,
                           &key)) {
        return;
    }
    char *to = pool_get(&place->source->pool, old.len + key.len + 1);
    user->send_as = (struct slice){to, old.len + key.len + 1};
    if (old.len > 0)
        to = mempcpy(to, old.at, old.len);
    to = mempcpy(to, key.at, key.len);
    *to = '\n';
}

/* `NAME` or `NAME=VALUE` of a known name. */
static enum option find_option(struct slice item, struct slice *value)
{
    const char *equals = memchr(item.at, '=', item.len);
    struct slice name = {item.at, equals == NULL ? item.len : (size_t)(equals - item.at)};
    enum option option = 0;

    *value = (struct slice){0};
    if (equals != NULL)
        *value = (struct slice){equals + 1, item.len - name.len - 1};
    while (option < OPTIONS && !slice_is(name, option_names[option]))
        option++;
    return option;
}

static void set_option(const struct place *place, struct source_user *user, enum option option,
                       struct slice value)
{
    const char *wrong = NULL;

    if (value.at == NULL && option != OPTION_DISABLED)
        wrong = "write `=` and a value after it";
    else if (option == OPTION_QUOTA &&
             (!settings_size(value, &user->quota) || user->quota == 0 || user->quota > INT64_MAX))
        wrong = "write a size such as 1000000, 500M or 2G";
    else if (option == OPTION_DISABLED && value.at != NULL)
        wrong = "takes no value";
    else if (option == OPTION_MAILBOX)
        wrong = unsafe_path(value);

    if (wrong != NULL)
        report_error(place->report, place->file, place->line, "%s: %s", option_names[option],
                     wrong);
    else if (option == OPTION_SEND_AS)
        add_send_as(place, user, value);
    else if (option == OPTION_MAILBOX)
        user->mailbox = value;
    else if (option == OPTION_DISABLED)
        user->disabled = true;
}

/*
 * Options and the addresses of send-as are both separated by commas. An item that is not the name
 * of an option but contains an '@' continues a send-as list.
 */
static void read_options(const struct place *place, struct source_user *user, struct slice rest)
{
    enum option last = OPTIONS;
    bool seen[OPTIONS] = {false};

    while (rest.at != NULL) {
        struct slice item = slice_trim(text_file_cut(&rest, ',')), value;
        enum option option = find_option(item, &value);
        if (option == OPTIONS && last == OPTION_SEND_AS && memchr(item.at, '@', item.len)) {
            add_send_as(place, user, item);
            continue;
        }
        last = option;
        if (option == OPTIONS) {
            report_error(
                place->report, place->file, place->line,
                "`%.*s` is not an option: write quota=SIZE, send-as=ADDRESS,..., disabled or "
                "mailbox=/PATH",
                SLICE(item));
        } else if (seen[option]) {
            report_error(place->report, place->file, place->line, "%s: given twice: remove one",
                         option_names[option]);
        } else {
            seen[option] = true;
            set_option(place, user, option, value);
        }
    }
}

bool source_next_option(struct slice *rest, struct slice *name, struct slice *option)
{
    struct slice value;

    if (rest->at == NULL)
        return false;
    *option = slice_trim(text_file_cut(rest, ','));
    enum option kind = find_option(*option, &value);
    *name = (struct slice){option->at, 0};
    if (kind < OPTIONS)
        name->len = strlen(option_names[kind]);
    for (struct slice after = *rest; kind == OPTION_SEND_AS && after.at != NULL; *rest = after) {
        struct slice item = slice_trim(text_file_cut(&after, ','));
        if (find_option(item, &value) != OPTIONS || memchr(item.at, '@', item.len) == NULL)
            break;
        option->len = (size_t)(item.at + item.len - option->at);
    }
    return true;
}

void source_check_options(struct source *source, struct report *report, const char *file,
                          struct slice options)
{
    const struct place place = {source, report, file, 0};
    struct source_user user = {0};

    read_options(&place, &user, options);
}

/* DOMAIN/LOCALPART */
static void use_own_mailbox(const struct place *place, struct source_user *user)
{
    const char *at = memrchr(user->key.at, '@', user->key.len);
    struct slice local = {user->key.at, (size_t)(at - user->key.at)};
    struct slice domain = {at + 1, user->key.len - local.len - 1};
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

static void add_user(const struct place *place, const struct source_user *user)
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
static struct slice cut_address(const struct place *place, bool *whole, struct slice *rest)
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

static void read_user(const struct place *at, struct slice line)
{
    struct report quiet = {.lenient = true, .no_warnings = true};
    struct place here = *at, *place = &here;
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
        read_options(place, &user, options);
    if (user.mailbox.at == NULL && errors == place->report->errors)
        use_own_mailbox(place, &user);
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
        struct place place = {source, report, text->name, text->line};
        read_user(&place, line);
    }
    warn_of_verifiers(source, report);
}
