/* check: the filters. */
#include "../../smtpd/hand/milter.h"
#include "check_socket.h"
#include "milter_probe.h"
#include "subjects.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    uint32_t actions;
    const char *what;
} changes[] = {
    {MILTER_MAY_ADD_FIELDS | MILTER_MAY_CHANGE_FIELDS, "header"},
    {MILTER_MAY_CHANGE_BODY, "body"},
    {MILTER_MAY_CHANGE_SENDER, "sender"},
    {MILTER_MAY_ADD_RCPT | MILTER_MAY_ADD_RCPT_WITH | MILTER_MAY_DELETE_RCPT, "recipients"},
    {MILTER_MAY_QUARANTINE, "quarantine"},
};

static const char *list_changes(struct check *check, uint32_t actions)
{
    const char *list = "";

    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if ((actions & changes[i].actions) != 0)
            list = pool_format(&check->pool, "%s%s%s", list, *list == '\0' ? "" : ", ",
                               changes[i].what);
    return *list == '\0' ? "nothing" : list;
}

/* In which it is asked, according to all its lines. */
static const char *list_roles(struct check *check, struct slice path)
{
    const struct settings *settings = &check->settings;
    const char *list = "";
    struct slice other;

    for (enum role role = ROLE_SMTP; role < ROLES; role++)
        for (size_t i = 0; i < settings->milters_len; i++)
            if (settings_milter_is_for(settings->milters[i], role, &other) &&
                slice_equal(path, other))
                list = pool_format(&check->pool, "%s %s", list, role_name(role));
    return list;
}

/* Mail is deferred, or accepted without the filter. */
static enum check_mark mark_of(const struct check *check)
{
    return check->settings.milter_failure_accepts ? CHECK_WARN : CHECK_FAIL;
}

/* Any user could listen there while the filter does not run. */
static bool is_exposed(struct check *check, const char *path)
{
    struct stat st;
    char *copy = pool_copy(&check->pool, slice_of(path));

    if (stat(dirname(copy), &st) != 0 || (st.st_mode & S_IWOTH) == 0)
        return false;
    check_say(check, CHECK_WARN, "filter",
              "%s: every user can create this socket while the filter does not run, and could then "
              "read all mail; let it listen in a folder of its own; to see who can write there, "
              "type: namei -l %s",
              path, check_quote(check, path));
    return true;
}

static const char *fault_of(const struct milter_probe *probe)
{
    static const char *const faults[MILTER_FAULTS] = {
        [MILTER_CLOSED] = "it has closed the connection",
        [MILTER_MALFORMED] = "it breaks the milter protocol",
        [MILTER_REFUSED] =
            "it does not speak the milter protocol, or only a version that cannot be used",
        [MILTER_DISORDER] = "out of order",
        [MILTER_BAD_CHANGE] = "it breaks the milter protocol",
    };

    if (probe->overtime)
        return "no reply in time";
    return probe->reply.fault < MILTER_FAULTS ? faults[probe->reply.fault] : NULL;
}

/* Its reply; lines of the text are separated by CR. Without one, what a client would get. */
static const char *said(struct check *check, const struct wall_milter_reply *reply)
{
    if (reply->code == 0)
        return reply->answer == MILTER_REJECT     ? "550 5.7.1"
               : reply->answer == MILTER_TEMPFAIL ? "451 4.7.1"
                                                  : "421 4.7.0";
    char *text = pool_format(&check->pool, "%u %s%s%s", reply->code, reply->status,
                             *reply->status == '\0' ? "" : " ", reply->text);
    for (char *at = text; (at = strchr(at, '\r')) != NULL;)
        *at = ' ';
    return text;
}

static bool is_refusal(const struct wall_milter_reply *reply)
{
    return reply->answer == MILTER_REJECT || reply->answer == MILTER_TEMPFAIL ||
           reply->answer == MILTER_SHUTDOWN;
}

static void say_good(struct check *check, const char *path, const struct milter_probe *probe)
{
    check_say_good(check, "filter",
                   pool_format(&check->pool, "%s: milter %u, may change: %s; asked in roles:%s",
                               path, probe->version, list_changes(check, probe->actions),
                               list_roles(check, slice_of(path))));
}

static void check_milter(struct check *check, const char *path)
{
    struct milter_probe probe;
    int fd = check_connect(check, mark_of(check), "filter", path);

    if (fd < 0)
        return;
    milter_probe(fd, check->settings.session.hostname, &probe);
    const char *fault = fault_of(&probe);
    if (fault != NULL)
        check_say(check, mark_of(check), "filter", "%s is not ready: %s; %s", path, fault,
                  check_who_listens(check, path));
    else if (is_refusal(&probe.reply))
        check_say(check, CHECK_WARN, "filter",
                  "%s refuses clients on this host: %s; if that is intended, nothing is wrong; %s",
                  path, said(check, &probe.reply), check_who_listens(check, path));
    else if (!is_exposed(check, path))
        say_good(check, path, &probe);
}

void check_milters(struct check *check)
{
    const struct settings *settings = &check->settings;

    for (size_t i = 0; i < settings->milters_len; i++) {
        struct slice path = slice_until(settings->milters[i], ' ');
        bool done = false;
        for (size_t j = 0; j < i; j++)
            done |= slice_equal(path, slice_until(settings->milters[j], ' '));
        if (!done)
            check_milter(check, pool_copy(&check->pool, path));
    }
}
