#include "units.h"

#include "directive.h"

#include <fcntl.h>
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
    [UNITS_SUBMIT] = {"mailslot-submit.socket", "mailslot-listen-submit.socket",
                      "mailslot-submit@.service", 0, "/run/mailslot/submit"},
};

bool units_are_used(void)
{
    return access("/run/systemd/system", F_OK) == 0; /* sd_booted(3) */
}

/* Where the administrator of this machine enables, masks and changes units. */
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

/* Is the path this folder, or in it? In systemd ReadWritePaths=/ makes nothing writable. */
static bool is_in(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    while (len > 0 && folder[len - 1] == '/')
        len--;
    return len > 0 && strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Does ReadWritePaths= name the path, or a folder above it? */
static bool is_writable(const char *path)
{
    char *list = directive_list(UNITS_LISTENING_SERVICE, "ReadWritePaths"), *rest = list, *word;
    bool found = false;

    while (!found && (word = directive_word(&rest)) != NULL) {
        word += strspn(word, "-+");
        char *real = realpath(word, NULL);
        found = is_in(path, real == NULL ? word : real);
        free(real);
    }
    free(list);
    return found;
}

bool units_protect_system(const char *path)
{
    char *value = directive_value(UNITS_LISTENING_SERVICE, "ProtectSystem");
    bool strict = strcmp(value, "strict") == 0;

    free(value);
    return strict && !is_writable(path);
}

bool units_protect_home(const char *path, bool from_writing)
{
    static const char *const off[] = {"", "0", "no", "n", "false", "f", "off"};
    char *value = directive_value(UNITS_LISTENING_SERVICE, "ProtectHome");
    bool hidden = (is_in(path, "/home") || is_in(path, "/root")) &&
                  (from_writing || strcmp(value, "read-only") != 0);

    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        hidden = hidden && strcasecmp(value, off[i]) != 0;
    free(value);
    return hidden;
}

/* LoadCredential=ID:PATH or LoadCredential=ID, as a file or encrypted; the ID is the file's name.
 */
bool units_service_loads(const char *service, const char *path)
{
    const char *slash = strrchr(path, '/'), *id = slash == NULL ? path : slash + 1;
    static const char *const names[] = {"LoadCredential", "LoadCredentialEncrypted"};
    size_t len = strlen(id);
    bool found = false;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *list = directive_list(service, names[i]), *rest = list, *value;
        while ((value = strsep(&rest, "\n")) != NULL)
            found = found ||
                    (strncmp(value, id, len) == 0 && (value[len] == ':' || value[len] == '\0'));
        free(list);
    }
    return found;
}

bool units_hand_over(const char *path)
{
    bool some = false;

    /* Programs of this host use no TLS. */
    for (size_t i = 0; units_are_used() && i < UNITS_SUBMIT; i++) {
        const struct units_role *role = &units_roles[i];
        bool session = units_is_enabled(role->session), listen = units_is_enabled(role->listen);
        if ((session && !units_service_loads(role->service, path)) ||
            (listen && !units_service_loads(UNITS_LISTENING_SERVICE, path)))
            return false;
        some = some || session || listen;
    }
    return some;
}
