#include "settings_values.h"
#include "socket_path.h"

bool settings_milter_is_for(struct slice milter, enum role role, struct slice *path)
{
    *path = slice_cut_word(&milter);
    bool found = milter.len == 0 && role != ROLE_LMTP;

    while (!found && milter.len > 0)
        found = slice_is(slice_cut_word(&milter), role_name(role));
    return found;
}

static const char *roles_wrong(struct slice roles)
{
    while (roles.len > 0) {
        struct slice word = slice_cut_word(&roles);
        enum role role = ROLE_SMTP;
        while (role < ROLES && !slice_is(word, role_name(role)))
            role++;
        if (role == ROLES && slice_begins(word, "/"))
            return "write each filter in a line of its own";
        if (role == ROLES)
            return "write roles after the path, with blanks between them: smtp, mx, submission, "
                   "submissions, lmtp or local";
    }
    return NULL;
}

/* As Postfix and the filters themselves name their sockets. */
static const char *path_wrong(struct slice path)
{
    if (slice_begins(path, "unix:") || slice_begins(path, "local:"))
        return "write the path alone, without `unix:` or `local:`";
    if (!slice_begins(path, "/") && slice_has(path, ':'))
        return "write the absolute path of a UNIX-domain socket; for a filter on a port type "
               "`systemctl enable --now mailslot-proxy@HOST:PORT.socket`, and write "
               "/run/mailslot/HOST:PORT";
    if (slice_begins(path, "/") && slice_ends(path, ","))
        return "write blanks instead of commas, and each filter in a line of its own";
    return socket_path_wrong(path);
}

/* Is a filter with the same socket already set for one of these roles? */
static bool is_repeated(const struct settings *settings, struct slice milter)
{
    struct slice path, other;

    for (size_t i = 0; i < settings->milters_len; i++)
        for (enum role role = ROLE_SMTP; role < ROLES; role++)
            if (settings_milter_is_for(milter, role, &path) &&
                settings_milter_is_for(settings->milters[i], role, &other) &&
                slice_equal(path, other))
                return true;
    return false;
}

const char *settings_set_milter(struct settings *settings, struct slice value)
{
    struct slice roles = value, path = slice_cut_word(&roles);
    const char *wrong = path_wrong(path);

    if (wrong == NULL)
        wrong = roles_wrong(roles);
    if (wrong != NULL)
        return wrong;
    if (is_repeated(settings, value))
        return "a line above names the same filter for the same role, which would ask it twice";
    if (settings->milters_len == SETTINGS_MILTERS_MAX)
        return "given too often: there can be 8 filters";
    settings->milters[settings->milters_len++] = value;
    return NULL;
}

const char *settings_set_milter_failure(struct settings *settings, struct slice value)
{
    if (!slice_is(value, "defer") && !slice_is(value, "accept"))
        return "write defer or accept";
    settings->milter_failure_accepts = slice_is(value, "accept");
    return NULL;
}

static const char *const quarantines[] = {
    [QUARANTINE_REJECT] = "reject",
    [QUARANTINE_DEFER] = "defer",
    [QUARANTINE_DELIVER] = "deliver",
};

const char *settings_set_quarantine(struct settings *settings, struct slice value)
{
    for (enum settings_quarantine i = QUARANTINE_REJECT; i <= QUARANTINE_DELIVER; i++) {
        if (slice_is(value, quarantines[i])) {
            settings->quarantine = i;
            return NULL;
        }
    }
    return "write reject, defer or deliver";
}

void settings_write_milters(const struct settings *settings, FILE *to)
{
    for (size_t i = 0; i < settings->milters_len; i++)
        fprintf(to, "milter=%.*s\n", SLICE(settings->milters[i]));
    fprintf(to, "milter-failure=%s\n", settings->milter_failure_accepts ? "accept" : "defer");
    fprintf(to, "quarantine=%s\n", quarantines[settings->quarantine]);
}
