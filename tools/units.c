#include "units.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct units_role units_roles[UNITS_ROLES] = {
    [UNITS_MX] = {"mailslot.socket", "mailslot-listen.socket", "mailslot@.service", 25},
    [UNITS_SUBMISSION] = {"mailslot-submission.socket", "mailslot-listen-submission.socket",
                          "mailslot-submission@.service", 587},
    [UNITS_SUBMISSIONS] = {"mailslot-submissions.socket", "mailslot-listen-submissions.socket",
                           "mailslot-submissions@.service", 465},
    [UNITS_LMTP] = {"mailslot-lmtp.socket", "mailslot-listen-lmtp.socket", "mailslot-lmtp@.service",
                    0},
};

bool units_are_used(void)
{
    return access("/run/systemd/system", F_OK) == 0; /* sd_booted(3) */
}

bool units_is_enabled(const char *socket)
{
    static const char *const folders[] = {"/etc/systemd/system", "/run/systemd/system"};
    char path[256];

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s/sockets.target.wants/%s", folders[i], socket);
        if (faccessat(-1, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    }
    return false;
}

static bool line_has_word(char *line, const char *name, const char *beginning)
{
    size_t len = strlen(name);
    char *rest;

    if (strncmp(line, name, len) != 0 || line[len] != '=')
        return false;
    for (char *word = strtok_r(line + len + 1, " \t\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\n", &rest))
        if (strncmp(word, beginning, strlen(beginning)) == 0)
            return true;
    return false;
}

static bool file_has_word(const char *path, const char *name, const char *beginning)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    bool found = false;

    while (file != NULL && !found && getline(&line, &room, file) > 0)
        found = line_has_word(line, name, beginning);
    free(line);
    if (file != NULL)
        fclose(file);
    return found;
}

bool units_has_word(const char *service, const char *name, const char *beginning)
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
            has = file_has_word(found.gl_pathv[i], name, beginning);
    globfree(&found);
    return has;
}
