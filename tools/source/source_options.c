#include "source_options.h"

#include "../../smtpd/database/socket_path.h"
#include "../../smtpd/mailbox/mbox_open.h"
#include "../kit/memory.h"

#include <string.h>

enum option { OPTION_QUOTA, OPTION_SEND_AS, OPTION_DISABLED, OPTION_MAILBOX, OPTIONS };

static const char *const option_names[OPTIONS] = {"quota", "send-as", "disabled", "mailbox"};

const char *source_wrong_ending(struct slice name)
{
    return mbox_is_reserved(name) ? "names that end in `.lock` and `.undo` are reserved" : NULL;
}

static const char *unsafe_path(struct slice path)
{
    if (path.len == 0 || *path.at != '/')
        return "write an absolute path, or lmtp: and that of the socket of a mail store";
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
        if (name.len > SOURCE_FILE_NAME_MAX)
            return "a name in the path is longer than 200 bytes";
    }
    return source_wrong_ending(name);
}

static void add_send_as(const struct source_place *place, struct source_user *user,
                        struct slice item)
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

static void set_option(const struct source_place *place, struct source_user *user,
                       enum option option, struct slice value)
{
    const char *wrong = NULL;
    struct slice path;

    if (value.at == NULL && option != OPTION_DISABLED)
        wrong = "write `=` and a value after it";
    else if (option == OPTION_QUOTA &&
             (!settings_size(value, &user->quota) || user->quota == 0 || user->quota > INT64_MAX))
        wrong = "write a size such as 1000000, 500M or 2G";
    else if (option == OPTION_DISABLED && value.at != NULL)
        wrong = "takes no value";
    else if (option == OPTION_MAILBOX)
        wrong = socket_path_of_store(value, &path) ? source_store_wrong(place->source, path)
                                                   : unsafe_path(value);

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
void source_read_options(const struct source_place *place, struct source_user *user,
                         struct slice rest)
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
    const struct source_place place = {source, report, file, 0};
    struct source_user user = {0};

    source_read_options(&place, &user, options);
}
