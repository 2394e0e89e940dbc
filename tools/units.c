#include "units.h"

#include "memory.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The next line, those that a backslash continues as one. False: there is none. */
static bool next_line(FILE *file, char **line, size_t *room)
{
    char *more = NULL;
    size_t more_room = 0, len;

    if (getline(line, room, file) <= 0)
        return false;
    while ((len = strlen(*line)) >= 2 && strcmp(*line + len - 2, "\\\n") == 0 &&
           getline(&more, &more_room, file) > 0) {
        (*line)[len - 2] = '\0';
        char *whole = memory_format("%s %s", *line, more);
        free(*line);
        *line = whole;
        *room = strlen(whole) + 1;
    }
    free(more);
    return true;
}

/* Adds to the values those that the file has; an empty one takes back those before. */
static char *add_values(char *values, const char *path, const char *name)
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
        char *all = memory_format("%s%s%s", *value == '\0' ? "" : values, value,
                                  *value == '\0' ? "" : "\n");
        free(values);
        values = all;
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return values;
}

static int by_base(const void *a, const void *b)
{
    return strcmp(strrchr(*(char *const *)a, '/'), strrchr(*(char *const *)b, '/'));
}

#define SYSTEM_FOLDERS "/{etc,run,usr/local/lib,usr/lib}/systemd/system/"

/* What the directive is set to by the unit and its drop-ins, each value with a newline behind it,
 * allocated: systemd.unit(5). */
static char *values_of(const char *service, const char *name)
{
    /* mailslot-.service.d counts for all whose name begins so. */
    const char *also = strncmp(service, "mailslot-", 9) == 0 ? ",mailslot-.service" : ",";
    char pattern[256], *values = memory_format("%s", "");
    glob_t found;

    snprintf(pattern, sizeof pattern, SYSTEM_FOLDERS "%s", service);
    if (glob(pattern, GLOB_BRACE, NULL, &found) == 0)
        values = add_values(values, found.gl_pathv[0], name);
    globfree(&found);
    snprintf(pattern, sizeof pattern, SYSTEM_FOLDERS "{%s%s}.d/*.conf", service, also);
    if (glob(pattern, GLOB_BRACE, NULL, &found) == 0) {
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_base);
        for (size_t i = 0; i < found.gl_pathc; i++)
            values = add_values(values, found.gl_pathv[i], name);
    }
    globfree(&found);
    return values;
}

/* A word may stand in quotes, - or + before a path and a slash behind it. */
static bool is_word(char *found, const char *word)
{
    size_t len = strlen(word), end;

    found += strspn(found, "\"'-+");
    for (end = strlen(found); end > 1 && strchr("\"'/", found[end - 1]) != NULL; end--)
        ;
    found[end] = '\0';
    return strncmp(found, word, len) == 0 && (found[len] == '\0' || word[len - 1] == ':');
}

bool units_has_word(const char *service, const char *name, const char *word)
{
    char *values = values_of(service, name), *at = values;
    bool found = false;

    while (*at != '\0' && !found) {
        size_t quoted = *at == '"' || *at == '\'' ? strcspn(at + 1, (char[]){*at, '\0'}) + 1 : 0;
        size_t len = quoted + strcspn(at + quoted, " \t\n");
        char *next = at + len + strspn(at + len, " \t\n");
        at[len] = '\0';
        found = is_word(at, word);
        at = next;
    }
    free(values);
    return found;
}

bool units_is_set(const char *service, const char *name, const char *value)
{
    char *values = values_of(service, name), *end = strrchr(values, '\n');

    if (end != NULL)
        *end = '\0';
    const char *newline = strrchr(values, '\n');
    bool same = strcmp(newline == NULL ? values : newline + 1, value) == 0;
    free(values);
    return same;
}

bool units_hides(const char *service, const char *path)
{
    static const char *const homes[] = {"/home/", "/root/"};
    static const char *const off[] = {"", "no", "false", "off", "0"};
    bool is_home = false;

    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++)
        is_home = is_home || strncmp(path, homes[i], strlen(homes[i])) == 0;
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        if (is_home && units_is_set(service, "ProtectHome", off[i]))
            return false;
    return is_home;
}
