#include "source.h"

#include <sys/stat.h>

static bool have_role_in_common(struct slice one, struct slice two)
{
    struct slice path;

    for (enum role role = ROLE_SMTP; role < ROLES; role++)
        if (settings_milter_is_for(one, role, &path) && settings_milter_is_for(two, role, &path))
            return true;
    return false;
}

static struct slice path_of(struct slice line)
{
    return slice_until(line, ' ');
}

/* Another name of the same socket, such as that in /var/run, which is a link to /run. Two equal
 * names were reported when they were read. */
static void check_twice(const struct source *source, struct report *report, size_t i,
                        const char *path)
{
    const struct settings *settings = &source->settings;

    for (size_t j = 0; j < i; j++) {
        struct slice other = path_of(settings->milters[j]);
        if (!slice_is(other, path) && source_is_same_socket(other, path) &&
            have_role_in_common(settings->milters[i], settings->milters[j]))
            report_error(report, source->conf_text.name, source->milter_lines[i],
                         "milter: %s and %.*s in line %u are the same filter, which would be "
                         "asked twice: remove one of the two",
                         path, SLICE(other), source->milter_lines[j]);
    }
}

/* What else the socket is used for, in words; NULL: nothing. */
static const char *other_use(const struct settings *settings, const char *path)
{
    if (source_is_own_socket(slice_of(path)))
        return "a socket of mailslot itself";
    if (source_is_same_socket(slice_of(path), SETTINGS_RELAY_DEFAULT))
        return "the socket of mailslot-relay";
    for (size_t i = 0; i < settings->relays_len; i++)
        if (source_is_same_socket(path_of(settings->relays[i]), path))
            return "set as `relay`";
    if (settings->mailboxes.len > 0 && source_is_same_socket(settings->mailboxes, path))
        return "set as `mailboxes`";
    return NULL;
}

static void check_milter(const struct source *source, struct report *report, size_t i,
                         const char *path)
{
    const char *use = other_use(&source->settings, path);
    struct stat st;

    if (use != NULL)
        report_error(report, source->conf_text.name, source->milter_lines[i],
                     "milter: %s is %s, not a filter: write that of a filter, such as "
                     "/run/rspamd/milter.sock",
                     path, use);
    else if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        report_warning(report, source->conf_text.name, source->milter_lines[i],
                       "milter: %s is not a socket", path);
}

void source_check_milters(const struct source *source, struct report *report)
{
    char path[SETTINGS_PATH_MAX];

    for (size_t i = 0; i < source->settings.milters_len; i++) {
        snprintf(path, sizeof path, "%.*s", SLICE(path_of(source->settings.milters[i])));
        check_milter(source, report, i, path);
        check_twice(source, report, i, path);
    }
}
