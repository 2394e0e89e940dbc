#include "service_user.h"

#include "remedy.h"
#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The groups of the user who runs this. */
static gid_t own_groups[SERVICE_USER_GROUPS_MAX];
static int own_groups_len;

static void become_ourselves(void)
{
    if (seteuid(getuid()) != 0 || setegid(getgid()) != 0 ||
        setgroups((size_t)own_groups_len, own_groups) != 0)
        abort(); /* go on as nobody else */
}

/* All of it, or nothing. */
static bool become(const struct service_user *user)
{
    if (setgroups((size_t)user->groups_len, user->groups) != 0)
        return false;
    if (setegid(user->groups[0]) == 0 && seteuid(user->uid) == 0)
        return true;
    become_ourselves();
    return false;
}

void service_user_enter(const struct service_user *user)
{
    if (getuid() != user->uid && !become(user))
        abort(); /* it could before */
}

void service_user_leave(const struct service_user *user)
{
    int error = errno;

    if (getuid() != user->uid)
        become_ourselves();
    errno = error;
}

void service_user_find(struct service_user *user)
{
    const struct passwd *passwd = getpwnam(SERVICE_USER);

    *user = (struct service_user){.exists = passwd != NULL};
    own_groups_len = getgroups(SERVICE_USER_GROUPS_MAX, own_groups);
    if (passwd == NULL || own_groups_len < 0)
        return;
    user->uid = passwd->pw_uid;
    user->groups_len = SERVICE_USER_GROUPS_MAX;
    if (getgrouplist(SERVICE_USER, passwd->pw_gid, user->groups, &user->groups_len) < 0)
        user->groups_len = SERVICE_USER_GROUPS_MAX;
    if (getuid() == user->uid) {
        user->testable = true;
    } else if (getuid() == 0 && become(user)) { /* in a user name space there may be no such user */
        user->testable = true;
        become_ourselves();
    }
}

bool service_user_may(const struct service_user *user, const char *path, int mode)
{
    if (!user->testable)
        return true;
    service_user_enter(user);
    bool may = faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
    service_user_leave(user);
    return may;
}

static bool is_in(const struct service_user *user, gid_t group)
{
    for (int i = 0; i < user->groups_len; i++)
        if (user->groups[i] == group)
            return true;
    return false;
}

/* Which permissions of a file apply to it: u, g or o of chmod(1). */
static char class_of(const struct service_user *user, const struct stat *st)
{
    return st->st_uid == user->uid ? 'u' : is_in(user, st->st_gid) ? 'g' : 'o';
}

/* The first folder above path that it may not search, in the pool; NULL if there is none. */
static const char *find_barrier(const struct service_user *user, struct pool *pool,
                                const char *path)
{
    for (const char *slash = path; slash != NULL; slash = strchr(slash + 1, '/')) {
        const char *folder =
            slash == path ? "/" : pool_copy(pool, (struct slice){path, (size_t)(slash - path)});
        if (!service_user_may(user, folder, X_OK) && errno == EACCES)
            return folder;
    }
    return NULL;
}

/* The file's group, if it has this access and is one for services, such as mail and ssl-cert. */
static const struct group *group_that_may(const struct stat *st, int mode)
{
    enum { SYSTEM_GROUPS_END = 1000 };
    bool may = ((int)(st->st_mode >> 3) & mode) == mode; /* R_OK, W_OK and X_OK are like its bits */

    return may && st->st_gid > 0 && st->st_gid < SYSTEM_GROUPS_END ? getgrgid(st->st_gid) : NULL;
}

static const char *letters(int mode)
{
    static const char *const of[] = {"", "x", "w", "wx", "r", "rx", "rw", "rwx"};

    return of[mode & (R_OK | W_OK | X_OK)];
}

const char *service_user_grant(const struct service_user *user, struct pool *pool, const char *path,
                               int mode)
{
    const char *barrier = find_barrier(user, pool, path);
    char *real = realpath(path, NULL);
    struct stat st = {0};

    if (barrier == NULL && real != NULL)
        barrier = find_barrier(user, pool, real);
    /* The command is for the file itself, not for a link that could be changed before it is typed.
     */
    const char *target = real == NULL ? path : pool_format(pool, "%s", real);
    free(real);
    const char *what = barrier == NULL ? target : barrier, *quoted = shell_quote(pool, what);
    mode = barrier == NULL ? mode : X_OK;
    const char *refused = remedy_refuse(pool, path, what, user->uid);
    if (refused != NULL)
        return refused;
    if (stat(what, &st) == 0 && !service_user_may(user, what, mode) && errno == EROFS)
        return pool_format(pool, "mount -o remount,rw \"$(findmnt -n -o TARGET -T %s)\"", quoted);
    char class = class_of(user, &st);
    const struct group *group = class == 'o' ? group_that_may(&st, mode) : NULL;
    if (group != NULL)
        return pool_format(pool, "usermod -aG %s " SERVICE_USER, shell_quote(pool, group->gr_name));
    if (class != 'o' || barrier != NULL)
        return remedy_mode(pool, what, st.st_uid, pool_format(pool, "%c+%s", class, letters(mode)));
    if (mode & W_OK)
        return pool_format(
            pool, "chown -h " SERVICE_USER ": %s && %s", quoted,
            remedy_mode(pool, what, user->uid, pool_format(pool, "u+%s", letters(mode))));
    return pool_format(
        pool, "chgrp -h " SERVICE_USER " %s && %s", quoted,
        remedy_mode(pool, what, st.st_uid, pool_format(pool, "g+%s", letters(mode))));
}
