#include "units.h"

#include "memory.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

const struct units_role units_roles[UNITS_ROLES] = {
    [UNITS_MX] = {"mailslot.socket", "mailslot-listen.socket", "mailslot@.service", 25, NULL},
    [UNITS_SUBMISSION] = {"mailslot-submission.socket", "mailslot-listen-submission.socket",
                          "mailslot-submission@.service", 587, NULL},
    [UNITS_SUBMISSIONS] = {"mailslot-submissions.socket", "mailslot-listen-submissions.socket",
                           "mailslot-submissions@.service", 465, NULL},
    [UNITS_LMTP] = {"mailslot-lmtp.socket", "mailslot-listen-lmtp.socket", "mailslot-lmtp@.service",
                    0, "/run/mailslot/lmtp"},
};

bool units_are_used(void)
{
    return access("/run/systemd/system", F_OK) == 0; /* sd_booted(3) */
}

/* The folders of what was decided on this machine. */
static const char *const folders[] = {"/etc/systemd/system", "/run/systemd/system"};

enum { FOLDERS = sizeof folders / sizeof folders[0] };

bool units_is_enabled(const char *socket)
{
    char path[256];

    for (size_t i = 0; i < FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/sockets.target.wants/%s", folders[i], socket);
        if (faccessat(-1, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    }
    return false;
}

bool units_have_listener(void)
{
    for (size_t i = 0; units_are_used() && i < UNITS_ROLES; i++)
        if (units_is_enabled(units_roles[i].listen))
            return true;
    return false;
}

bool units_have_submission(void)
{
    for (size_t i = UNITS_SUBMISSION; units_are_used() && i <= UNITS_SUBMISSIONS; i++)
        if (units_is_enabled(units_roles[i].session) || units_is_enabled(units_roles[i].listen))
            return true;
    return false;
}

bool units_is_masked(const char *unit)
{
    const char nowhere[] = "/dev/null";
    char path[256], link[sizeof nowhere];

    for (size_t i = 0; i < FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], unit);
        if (readlink(path, link, sizeof link) == sizeof nowhere - 1 &&
            memcmp(link, nowhere, sizeof nowhere - 1) == 0)
            return true;
    }
    return false;
}

bool units_is_changed(const char *unit)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s.d", folders[0], unit);
    return access(path, F_OK) == 0;
}

/* Without the blanks around it. */
static char *trim(char *text)
{
    char *end;

    text += strspn(text, " \t");
    for (end = text + strlen(text); end > text && strchr(" \t\n", end[-1]) != NULL; end--)
        ;
    *end = '\0';
    return text;
}

static bool is_comment(const char *line)
{
    line += strspn(line, " \t");
    return *line == '#' || *line == ';';
}

/* The next line, those that a backslash continues as one, and comments left out. False: there is
 * none. */
static bool next_line(FILE *file, char **line, size_t *room)
{
    char *more = NULL;
    size_t more_room = 0, len;

    do
        if (getline(line, room, file) <= 0)
            return false;
    while (is_comment(*line));
    while ((len = strlen(*line)) >= 2 && strcmp(*line + len - 2, "\\\n") == 0 &&
           getline(&more, &more_room, file) > 0) {
        if (is_comment(more))
            continue;
        (*line)[len - 2] = '\0';
        char *whole = memory_format("%s %s", *line, more);
        free(*line);
        *line = whole;
        *room = strlen(whole) + 1;
    }
    free(more);
    return true;
}

/* Adds to the values those that the file has. An empty one takes back those before where they are a
 * list; else it counts for nothing. */
static char *add_values(char *values, const char *path, const char *name, bool is_list)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    bool in_service = false;

    while (file != NULL && next_line(file, &line, &room)) {
        char *at = trim(line), *equals = strchr(at, '=');
        if (*at == '[')
            in_service = strcmp(at, "[Service]") == 0;
        if (!in_service || equals == NULL)
            continue;
        *equals = '\0';
        if (strcmp(trim(at), name) != 0)
            continue;
        char *value = trim(equals + 1);
        bool empty = *value == '\0';
        char *all =
            memory_format("%s%s%s", empty && is_list ? "" : values, value, empty ? "" : "\n");
        free(values);
        values = all;
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return values;
}

static const char *base_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static int by_base(const void *a, const void *b)
{
    return strcmp(base_of(*(char *const *)a), base_of(*(char *const *)b));
}

/* Of drop-ins of one name only the first counts. Moves those to the front, and returns how many
 * there are. */
static size_t keep_firsts(char **paths, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++) {
        bool first = true;
        for (size_t j = 0; j < kept; j++)
            first = first && by_base(&paths[j], &paths[i]) != 0;
        char *path = paths[i];
        if (first) {
            paths[i] = paths[kept];
            paths[kept++] = path;
        }
    }
    return kept;
}

#define SYSTEM_FOLDERS "/{etc,run,usr/local/lib,usr/lib}/systemd/system/"

/* What the directive is set to by the unit and its drop-ins, each value with a newline behind it,
 * allocated: systemd.unit(5). */
static char *values_of(const char *service, const char *name, bool is_list)
{
    /* mailslot-.service.d counts for all whose name begins so. */
    const char *also = strncmp(service, "mailslot-", 9) == 0 ? "mailslot-.service," : "";
    char pattern[256], *values = memory_format("%s", "");
    glob_t found;

    snprintf(pattern, sizeof pattern, SYSTEM_FOLDERS "%s", service);
    if (glob(pattern, GLOB_BRACE, NULL, &found) == 0)
        values = add_values(values, found.gl_pathv[0], name, is_list);
    globfree(&found);
    snprintf(pattern, sizeof pattern, SYSTEM_FOLDERS "{%s,%sservice}.d/*.conf", service, also);
    if (glob(pattern, GLOB_BRACE, NULL, &found) == 0) {
        size_t len = keep_firsts(found.gl_pathv, found.gl_pathc);
        qsort(found.gl_pathv, len, sizeof *found.gl_pathv, by_base);
        for (size_t i = 0; i < len; i++)
            values = add_values(values, found.gl_pathv[i], name, is_list);
    }
    globfree(&found);
    return values;
}

/* A word may stand in quotes, - or + before a path and a slash behind it; and it may be a link. */
static bool is_word(char *found, const char *word)
{
    size_t len = strlen(word), end;

    found += strspn(found, "\"'-+");
    for (end = strlen(found); end > 1 && strchr("\"'/", found[end - 1]) != NULL; end--)
        ;
    found[end] = '\0';
    char *real = *word == '/' ? realpath(found, NULL) : NULL;
    bool same = strncmp(found, word, len) == 0 && (found[len] == '\0' || word[len - 1] == ':');
    same = same || (real != NULL && strcmp(real, word) == 0);
    free(real);
    return same;
}

bool units_has_word(const char *service, const char *name, const char *word)
{
    char *values = values_of(service, name, true), *at = values;
    bool found = false;

    while (*at != '\0' && !found) {
        size_t begin = strspn(at, "-+"), len = begin;
        if (at[begin] == '"' || at[begin] == '\'')
            len += strcspn(at + begin + 1, (char[]){at[begin], '\0'}) + 1;
        len += strcspn(at + len, " \t\n");
        char *next = at + len + strspn(at + len, " \t\n");
        at[len] = '\0';
        found = is_word(at, word);
        at = next;
    }
    free(values);
    return found;
}

/* The last of the values, allocated; empty: there is none. */
static char *last_value(const char *service, const char *name)
{
    char *values = values_of(service, name, false), *end = strrchr(values, '\n');

    if (end != NULL)
        *end = '\0';
    const char *newline = strrchr(values, '\n');
    char *last = memory_format("%s", newline == NULL ? values : newline + 1);
    free(values);
    return last;
}

bool units_is_set(const char *service, const char *name, const char *value)
{
    char *last = last_value(service, name);
    bool same = strcmp(last, value) == 0;

    free(last);
    return same;
}

bool units_hides(const char *service, const char *path, bool from_writing)
{
    static const char *const homes[] = {"/home/", "/root/"};
    static const char *const off[] = {"", "0", "no", "n", "false", "f", "off"};
    char *value = last_value(service, "ProtectHome");
    bool is_home = false, is_on = from_writing || strcmp(value, "read-only") != 0;

    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++)
        is_home = is_home || strncmp(path, homes[i], strlen(homes[i])) == 0;
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        is_on = is_on && strcasecmp(value, off[i]) != 0;
    free(value);
    return is_home && is_on;
}

/* The services that are enabled must have the file handed to them by systemd (systemd.exec(5)). */
bool units_hand_over(const char *path)
{
    const char *base = strrchr(path, '/');
    char beginning[1025];
    bool some = false;

    snprintf(beginning, sizeof beginning, "%s:", base == NULL ? path : base + 1);
    for (size_t i = 0; units_are_used() && i < UNITS_ROLES; i++) {
        const struct units_role *role = &units_roles[i];
        bool session = units_is_enabled(role->session), listen = units_is_enabled(role->listen);
        if ((session && !units_has_word(role->service, "LoadCredential", beginning)) ||
            (listen && !units_has_word(UNITS_LISTENING_SERVICE, "LoadCredential", beginning)))
            return false;
        some = some || session || listen;
    }
    return some;
}
