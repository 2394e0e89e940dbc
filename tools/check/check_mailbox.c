/* check: a mailbox in a good folder. */
#include "../kit/nofollow.h"
#include "../kit/remedy.h"
#include "../kit/system_mailbox.h"
#include "subjects.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool check_is_diverted(struct check *check, const char *path)
{
    return remedy_refuse(&check->pool, path, path, check->user.uid) != NULL;
}

const char *check_elsewhere(struct check *check, const char *path, const char *why)
{
    return pool_format(&check->pool,
                       "%s: %s, and another user can change where this path leads; set another "
                       "mailbox= in %s/users%s, then type: %s",
                       path, why, check->folder, check->there, check->commands.build);
}

/* A symbolic link anywhere in the path is an error (ELOOP), as for the server. */
static int look(const char *path, struct stat *st)
{
    int fd = nofollow_open(path, O_PATH);

    if (fd < 0)
        return -1;
    int result = fstat(fd, st), error = errno;
    close(fd);
    errno = result == 0 && S_ISLNK(st->st_mode) ? ELOOP : error;
    return result == 0 && S_ISLNK(st->st_mode) ? -1 : result;
}

static const struct passwd *owner_of(const char *path)
{
    size_t len = strlen(SYSTEM_MAILBOX_FOLDER);

    if (strncmp(path, SYSTEM_MAILBOX_FOLDER "/", len + 1) != 0)
        return NULL;
    return getpwnam(path + len + 1);
}

static const char *why_absent(struct check *check, const char *path, const char *folder)
{
    const struct passwd *owner = owner_of(path);
    struct stat st;

    if (stat(folder, &st) == 0 && check->user.exists && st.st_uid == check->user.uid &&
        (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return NULL; /* the server creates it */
    if (check_is_diverted(check, path))
        return check_elsewhere(check, path, "does not exist");
    const char *user = owner == NULL ? SERVICE_USER : owner->pw_name;
    const char *quoted = check_quote(check, path);
    const char *dress =
        owner == NULL
            ? pool_format(&check->pool, "chown -h " SERVICE_USER ":" SERVICE_USER " %s", quoted)
            : system_mailbox_remedy(&check->pool, path, user, owner->pw_uid);
    return pool_format(
        &check->pool,
        "%s does not exist, and the server cannot create it; type: (umask 177; set -C; "
        ": >%s) && %s",
        path, quoted, dress);
}

static const char *why_linked(struct check *check, const char *path, const char *folder)
{
    char *file = realpath(path, NULL), *above = realpath(folder, NULL), *text;
    struct stat st;

    if (check_is_diverted(check, path))
        text = pool_format(
            &check->pool, "%s",
            check_elsewhere(check, path,
                            "contains a symbolic link, which the server does not follow"));
    else if (file == NULL && lstat(path, &st) == 0)
        text = pool_format(&check->pool, "%s is a dangling symbolic link; type: rm %s", path,
                           check_quote(check, path));
    else
        text =
            pool_format(&check->pool,
                        "%s contains a symbolic link, which the server does not follow; set "
                        "mailbox=%s%s in %s/users%s, then type: %s",
                        path, file != NULL ? file : above, file != NULL ? "" : strrchr(path, '/'),
                        check->folder, check->there, check->commands.build);
    free(file);
    free(above);
    return text;
}

/* What is wrong with an existing file; NULL: nothing. */
static const char *why_bad(struct check *check, const char *path, const struct stat *st)
{
    const struct passwd *owner = owner_of(path);

    if (!S_ISREG(st->st_mode) || st->st_nlink > 1)
        return check_is_diverted(check, path)
                   ? check_elsewhere(check, path, "is not a regular file with a single hard link")
                   : pool_format(&check->pool,
                                 "%s is not a regular file with a single hard link; type: %s", path,
                                 remedy_aside(&check->pool, path));
    const struct group *mail = owner == NULL ? NULL : getgrnam("mail");
    if (owner != NULL && (st->st_uid != owner->pw_uid || (st->st_mode & 07777) != 0660 ||
                          (mail != NULL && st->st_gid != mail->gr_gid)))
        return pool_format(
            &check->pool, "%s must have owner %s, group mail and mode 0660; type: %s", path,
            owner->pw_name,
            system_mailbox_remedy(&check->pool, path, owner->pw_name, owner->pw_uid));
    if (!service_user_may(&check->user, path, R_OK | W_OK)) {
        int error = errno;
        if (check_is_diverted(check, path))
            return check_elsewhere(check, path, "the server cannot write to it");
        const char *remedy = service_user_grant(&check->user, &check->pool, path, R_OK | W_OK);
        return pool_format(&check->pool, "%s: " SERVICE_USER " cannot write to it: %s; type: %s",
                           path, strerror(error), remedy);
    }
    return NULL;
}

const char *check_mailbox(struct check *check, const char *path, const char *folder, bool absolute,
                          enum check_mark *mark)
{
    struct stat st;

    *mark = CHECK_FAIL;
    if (look(path, &st) != 0) {
        if (errno == ELOOP)
            return why_linked(check, path, folder);
        const char *absent = errno == ENOENT && absolute ? why_absent(check, path, folder) : NULL;
        return absent != NULL ? absent : check_locked(check, path, NULL, mark);
    }
    const char *wrong = why_bad(check, path, &st);
    if (wrong == NULL)
        wrong = check_locked(check, path, &st, mark);
    if (wrong != NULL || (st.st_mode & S_IRWXO) == 0 || !check_is_reachable(path))
        return wrong;
    *mark = CHECK_WARN;
    return pool_format(&check->pool, "%s can be read or changed by other users; type: %s", path,
                       remedy_chmod(&check->pool, path, &st, "o="));
}
