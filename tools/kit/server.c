#include "server.h"

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

/* Who we are ourselves. */
static gid_t own_groups[SERVER_GROUPS_MAX];
static int own_groups_len;

static void become_ourselves(void)
{
    if (seteuid(getuid()) != 0 || setegid(getgid()) != 0 ||
        setgroups((size_t)own_groups_len, own_groups) != 0)
        abort(); /* never as somebody else than the one who asked */
}

/* All of it, or nothing. */
static bool become(const struct server *server)
{
    if (setgroups((size_t)server->groups_len, server->groups) != 0)
        return false;
    if (setegid(server->groups[0]) == 0 && seteuid(server->uid) == 0)
        return true;
    become_ourselves();
    return false;
}

void server_enter(const struct server *server)
{
    if (getuid() != server->uid && !become(server))
        abort(); /* it could before */
}

void server_leave(const struct server *server)
{
    int error = errno;

    if (getuid() != server->uid)
        become_ourselves();
    errno = error;
}

void server_find(struct server *server)
{
    const struct passwd *passwd = getpwnam(SERVER_USER);

    *server = (struct server){.exists = passwd != NULL};
    own_groups_len = getgroups(SERVER_GROUPS_MAX, own_groups);
    if (passwd == NULL || own_groups_len < 0)
        return;
    server->uid = passwd->pw_uid;
    server->groups_len = SERVER_GROUPS_MAX;
    if (getgrouplist(SERVER_USER, passwd->pw_gid, server->groups, &server->groups_len) < 0)
        server->groups_len = SERVER_GROUPS_MAX;
    if (getuid() == server->uid) {
        server->askable = true;
    } else if (getuid() == 0 &&
               become(server)) { /* in a user name space there may be no such user */
        server->askable = true;
        become_ourselves();
    }
}

bool server_may(const struct server *server, const char *path, int mode)
{
    if (!server->askable)
        return true;
    server_enter(server);
    bool may = faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
    server_leave(server);
    return may;
}

static bool is_in(const struct server *server, gid_t group)
{
    for (int i = 0; i < server->groups_len; i++)
        if (server->groups[i] == group)
            return true;
    return false;
}

/* As whom it comes to a file: u, g or o of chmod(1). */
static char class_of(const struct server *server, const struct stat *st)
{
    return st->st_uid == server->uid ? 'u' : is_in(server, st->st_gid) ? 'g' : 'o';
}

/* The first folder above path that it may not search, in the pool; NULL if there is none. */
static const char *find_barrier(const struct server *server, struct pool *pool, const char *path)
{
    for (const char *slash = path; slash != NULL; slash = strchr(slash + 1, '/')) {
        const char *folder =
            slash == path ? "/" : pool_copy(pool, (struct slice){path, (size_t)(slash - path)});
        if (!server_may(server, folder, X_OK) && errno == EACCES)
            return folder;
    }
    return NULL;
}

/* The group that may, if it is one that programs are put into, as mail and ssl-cert are. */
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

const char *server_grant(const struct server *server, struct pool *pool, const char *path, int mode)
{
    const char *barrier = find_barrier(server, pool, path);
    char *real = realpath(path, NULL);
    struct stat st = {0};

    if (barrier == NULL && real != NULL)
        barrier = find_barrier(server, pool, real);
    /* What is typed changes the thing itself, whatever stands in its place by then. */
    const char *target = real == NULL ? path : pool_format(pool, "%s", real);
    free(real);
    const char *what = barrier == NULL ? target : barrier, *quoted = shell_quote(pool, what);
    mode = barrier == NULL ? mode : X_OK;
    const char *refused = remedy_refuse(pool, path, what, server->uid);
    if (refused != NULL)
        return refused;
    if (stat(what, &st) == 0 && !server_may(server, what, mode) && errno == EROFS)
        return pool_format(pool, "mount -o remount,rw \"$(findmnt -n -o TARGET -T %s)\"", quoted);
    char class = class_of(server, &st);
    const struct group *group = class == 'o' ? group_that_may(&st, mode) : NULL;
    if (group != NULL)
        return pool_format(pool, "usermod -aG %s " SERVER_USER, shell_quote(pool, group->gr_name));
    if (class != 'o' || barrier != NULL)
        return remedy_mode(pool, what, st.st_uid, pool_format(pool, "%c+%s", class, letters(mode)));
    if (mode & W_OK)
        return pool_format(
            pool, "chown -h " SERVER_USER ": %s && %s", quoted,
            remedy_mode(pool, what, server->uid, pool_format(pool, "u+%s", letters(mode))));
    return pool_format(
        pool, "chgrp -h " SERVER_USER " %s && %s", quoted,
        remedy_mode(pool, what, st.st_uid, pool_format(pool, "g+%s", letters(mode))));
}
