#include "remedy.h"

#include "memory.h"
#include "shell.h"

#include <inttypes.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

const char *remedy_as(struct pool *pool, uid_t uid)
{
    const struct passwd *owner = uid == 0 || uid == geteuid() ? NULL : getpwuid(uid);

    return owner == NULL
               ? ""
               : pool_format(pool, "runuser -u %s -- ", shell_quote(pool, owner->pw_name));
}

const char *remedy_refuse(struct pool *pool, const char *path, const char *changed, uid_t trusted)
{
    struct stranger stranger;

    if (!strangers_find(path, STRANGERS_LINKS, trusted, &stranger) &&
        !strangers_find(changed, STRANGERS_ENTRIES, trusted, &stranger))
        return NULL;
    const char *shown = pool_format(
        pool,
        "namei -l %s # user %ju can change where this path leads: change nothing there as root",
        shell_quote(pool, path), (uintmax_t)stranger.uid);
    free(stranger.path);
    return shown;
}

/* Can only root replace the file? */
static bool is_fixed(const char *path)
{
    struct stranger stranger;
    struct stat above;
    char *copy = memory_format("%s", path);
    bool fixed = stat(dirname(copy), &above) == 0 &&
                 (above.st_uid == 0 || above.st_uid == geteuid()) &&
                 (above.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
                 !strangers_find(path, STRANGERS_ENTRIES, 0, &stranger);

    free(copy);
    return fixed;
}

const char *remedy_mode(struct pool *pool, const char *path, uid_t owner, const char *mode)
{
    return pool_format(pool, "%schmod %s %s", is_fixed(path) ? "" : remedy_as(pool, owner), mode,
                       shell_quote(pool, path));
}

const char *remedy_chmod(struct pool *pool, const char *path, const struct stat *st,
                         const char *mode)
{
    char *real = realpath(path, NULL);
    const char *file = real == NULL ? path : pool_format(pool, "%s", real);

    free(real);
    const char *refused = remedy_refuse(pool, path, file, st->st_uid);
    return refused != NULL ? refused : remedy_mode(pool, file, st->st_uid, mode);
}

const char *remedy_aside(struct pool *pool, const char *path)
{
    const char *quoted = shell_quote(pool, path);

    return pool_format(pool, "mv -T --backup=t %s %s.old", quoted, quoted);
}
