#include "fence.h"

#include "../landlock.h"
#include "certificate.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "filter_back.h"

struct fence {
    int ruleset, version;
};

static int allow(const struct fence *fence, const char *path, uint64_t rights)
{
    return landlock_allow(fence->ruleset, fence->version, path, rights, true);
}

static int allow_folder_of(const struct fence *fence, char *path, uint64_t rights)
{
    char *slash = strrchr(path, '/');

    slash[slash == path] = '\0';
    return allow(fence, path, rights);
}

/* Where a file of TLS is, and where it is really, if it is a link, as certbot's are. */
static int allow_file(const struct fence *fence, const char *folder,
                      const struct settings_path *name)
{
    char path[SETTINGS_PATH_MAX];

    if (name->len == 0 || certificate_path(folder, name, path) != 0)
        return 0;
    char *real = realpath(path, NULL);
    int result = real == NULL ? 0 : allow_folder_of(fence, real, LANDLOCK_READ);
    free(real);
    return result != 0 ? -1 : allow_folder_of(fence, path, LANDLOCK_READ);
}

static int allow_reading(const struct fence *fence, const struct settings *settings,
                         const char *folder)
{
    static const char *const system[] = {
        "/usr",  "/lib", "/lib64", "/etc", "/proc/sys/kernel", /* undo.c: overflowuid */
#ifdef __SANITIZE_ADDRESS__ /* its run-time looks at its own memory */
        "/proc",
#endif
        NULL};

    for (const char *const *path = system; *path != NULL; path++)
        if (allow(fence, *path, LANDLOCK_READ) != 0)
            return -1;
    for (size_t i = 0; i < settings->certificates_len && i < settings->keys_len; i++)
        if (allow_file(fence, folder, &settings->certificates[i]) != 0 ||
            allow_file(fence, folder, &settings->keys[i]) != 0)
            return -1;
    if (settings->certificates_len > 0 &&
        (allow_file(fence, folder, &settings->tls_client_ca) != 0 ||
         allow_file(fence, folder, &settings->tls_ticket_secret) != 0))
        return -1;
    return allow(fence, folder, LANDLOCK_READ);
}

/* mail-root, or if it has to be made first, the folder that it is made in (unless that is `/`). */
static int allow_mail_root(const struct fence *fence, const char *root)
{
    char path[SETTINGS_PATH_MAX];

    snprintf(path, sizeof path, "%s", root);
    if (access(path, F_OK) == 0)
        return allow(fence, path, LANDLOCK_MAIL);
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
    return allow_folder_of(fence, path, LANDLOCK_MAIL);
}

/* The folders of mailboxes that have absolute paths. They may be users' own, who must not lead us
 * elsewhere by a link: no mailbox is opened by way of one. A damaged database leads to no mailbox.
 */
static int allow_mailboxes(const struct fence *fence, struct database *db)
{
    char path[SETTINGS_PATH_MAX];
    struct slice text;

    if (database_find(db, "folders", NULL, 0, &text) != 1)
        return 0;
    const char *newline, *at = text.at;
    for (const char *end = at + text.len; at < end; at = newline + 1) {
        newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL || newline - at >= SETTINGS_PATH_MAX)
            break;
        snprintf(path, sizeof path, "%.*s", (int)(newline - at), at);
        if (landlock_allow(fence->ruleset, fence->version, path, LANDLOCK_MAIL, false) != 0)
            return -1;
    }
    return 0;
}

int fence_paths(struct database *db, const struct settings *settings, const char *folder)
{
    struct fence fence = {.version = landlock_version()};

    if (fence.version < 2) /* the first one cannot let a lock file be linked to its name */
        return fence.version < 0 ? -1 : 0;
    /* The first front was forked before, and must be killed if it does not go. */
    fence.ruleset = landlock_begin(fence.version, true);
    if (fence.ruleset < 0 || allow_reading(&fence, settings, folder) != 0 ||
        allow_mail_root(&fence, settings->mail_root) != 0 || allow_mailboxes(&fence, db) != 0)
        return -1;
    return landlock_enforce(fence.ruleset);
}

int fence_system_calls(void)
{
    struct sock_fprog program = {sizeof filter_for_back / sizeof filter_for_back[0],
                                 filter_for_back};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
