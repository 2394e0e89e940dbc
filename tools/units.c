#include "units.h"

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

/* A word may stand in quotes, and before a path stand - or +. */
static bool line_has_word(const char *line, const char *name, const char *word)
{
    size_t name_len = strlen(name), len = strlen(word);

    if (strncmp(line, name, name_len) != 0 || line[name_len] != '=')
        return false;
    for (const char *at = line + name_len; (at = strpbrk(at, "= \t")) != NULL; at++) {
        const char *begin = at + 1 + strspn(at + 1, "\"-+");
        if (strncmp(begin, word, len) == 0 &&
            (word[len - 1] == ':' || strchr("\" \t\n", begin[len]) != NULL))
            return true;
    }
    return false;
}

static bool file_has_word(const char *path, const char *name, const char *word)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    bool found = false;

    while (file != NULL && !found && getline(&line, &room, file) > 0)
        found = line_has_word(line, name, word);
    free(line);
    if (file != NULL)
        fclose(file);
    return found;
}

bool units_has_word(const char *service, const char *name, const char *word)
{
    char pattern[256];
    glob_t found;
    bool has = false;

    /* mailslot-.service.d counts for all whose name begins so: systemd.unit(5). */
    snprintf(pattern, sizeof pattern,
             "/{etc,run,usr/local/lib,usr/lib}/systemd/system/{%s%s}.d/*.conf", service,
             strncmp(service, "mailslot-", 9) == 0 ? ",mailslot-.service" : ",");
    if (glob(pattern, GLOB_BRACE, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && !has; i++)
            has = file_has_word(found.gl_pathv[i], name, word);
    globfree(&found);
    return has;
}
