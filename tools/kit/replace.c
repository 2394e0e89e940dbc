#include "replace.h"

#include "../../smtpd/base/file.h"
#include "folder.h"
#include "lock.h"
#include "memory.h"
#include "message.h"
#include "strangers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AT_ONCE_MAX = 3 }; /* `users`, the database, and that of the relay */

/* The files that a signal handler must remove. Changed only while signals are blocked. */
static const char *temporaries[AT_ONCE_MAX];

static void clean_up(int number)
{
    static const char cut[] = "a file was truncated while it was read: run this again\n";

    if (number == SIGBUS && write(STDERR_FILENO, cut, sizeof cut - 1) < 0)
        _exit(EXIT_FAILED);
    for (int i = 0; i < AT_ONCE_MAX; i++)
        if (temporaries[i] != NULL)
            unlink(temporaries[i]);
    lock_release();
    raise(number); /* its action is the default one again, by SA_RESETHAND */
}

static void hold_signals(sigset_t *before)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGBUS};
    static bool caught;
    struct sigaction action = {.sa_handler = clean_up, .sa_flags = (int)SA_RESETHAND};
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, before);
    if (caught)
        return;
    caught = true;
    signal(SIGXFSZ, SIG_IGN); /* a file size limit shall be an error of write(2) */
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction old;
        sigaction(numbers[i], &action, &old);
        if (old.sa_handler == SIG_IGN) /* nohup */
            sigaction(numbers[i], &old, NULL);
    }
}

static void exchange(const char *from, const char *to)
{
    for (int i = 0; i < AT_ONCE_MAX; i++)
        if (temporaries[i] == from) {
            temporaries[i] = to;
            return;
        }
}

/* Owner, group and mode. What the administrator writes by hand, and anybody may read, is not for
 * everybody once there are hashes in it: the relay's user has to pass through the folder, so all
 * can. A file of root in place of another user's does no harm, but another group could read
 * secrets. */
static int dress(const struct replace *replace, bool secret)
{
    struct stat old, new;
    mode_t mode = 0640;
    bool keep_owner = secret;

    if (fstat(replace->fd, &new) != 0)
        return -1;
    if (stat(replace->path, &old) == 0) {
        mode = old.st_mode & 0777 & ~(mode_t)(S_IWGRP | (secret ? S_IRWXO : S_IWOTH));
    } else {
        char *folder = folder_of(replace->path);
        int found = stat(folder, &old);
        free(folder);
        keep_owner = false;
        if (found != 0)
            return -1;
    }
    uid_t owner = keep_owner && old.st_uid != new.st_uid ? old.st_uid : (uid_t)-1;
    gid_t group = old.st_gid != new.st_gid ? old.st_gid : (gid_t)-1;
    if ((owner != (uid_t)-1 || group != (gid_t)-1) && fchown(replace->fd, owner, group) != 0)
        return -1;
    return fchmod(replace->fd, mode);
}

/* A symbolic link is followed, not replaced. One of another user could lead root to any file. */
static bool has_stranger(const char *path)
{
    struct stranger stranger;

    if (!strangers_find(path, STRANGERS_LINKS, 0, &stranger))
        return false;
    message_print(
        0,
        "%s is a symbolic link that belongs to user %ju and could point to any file: give "
        "the path of the file itself",
        stranger.path, (uintmax_t)stranger.uid);
    free(stranger.path);
    return true;
}

int replace_begin(struct replace *replace, const char *path, bool secret)
{
    struct stat old;
    sigset_t before;

    *replace = (struct replace){.fd = -1};
    if (has_stranger(path)) {
        errno = ELOOP;
        return -1;
    }
    char *real = realpath(path, NULL);
    replace->path = real == NULL ? memory_format("%s", path) : real;
    if (real == NULL && lstat(path, &old) == 0 && S_ISLNK(old.st_mode)) {
        replace_abandon(replace);
        errno = ENOLINK;
        return -1;
    }
    if (stat(replace->path, &old) == 0 && !S_ISREG(old.st_mode)) { /* /dev/null, say */
        replace_abandon(replace);
        errno = S_ISDIR(old.st_mode) ? EISDIR : ENOTSUP;
        return -1;
    }
    replace->temporary = memory_format("%s.tmp", replace->path);
    hold_signals(&before);
    unlink(replace->temporary);
    replace->fd = open(replace->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (replace->fd >= 0)
        exchange(NULL, replace->temporary);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    if (replace->fd >= 0 && dress(replace, secret) == 0)
        return 0;
    replace_abandon(replace);
    return -1;
}

int replace_write(struct replace *replace, const char *bytes, size_t len)
{
    if (file_write_all(replace->fd, bytes, len) == 0)
        return 0;
    replace_abandon(replace);
    return -1;
}

int replace_finish(struct replace *replace)
{
    if (fsync(replace->fd) == 0)
        return 0;
    replace_abandon(replace);
    return -1;
}

static int sync_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    free(folder);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    file_close(fd);
    return result;
}

int replace_commit(struct replace *replace)
{
    sigset_t before;

    hold_signals(&before);
    int result = rename(replace->temporary, replace->path);
    if (result == 0)
        exchange(replace->temporary, NULL);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    if (result == 0)
        result = sync_folder(replace->path);
    replace_abandon(replace);
    return result;
}

void replace_abandon(struct replace *replace)
{
    int error = errno;
    sigset_t before;

    hold_signals(&before);
    for (int i = 0; i < AT_ONCE_MAX && replace->temporary != NULL; i++)
        if (temporaries[i] == replace->temporary) {
            unlink(replace->temporary);
            temporaries[i] = NULL;
        }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (replace->fd >= 0)
        close(replace->fd);
    free(replace->path);
    free(replace->temporary);
    *replace = (struct replace){.fd = -1};
    errno = error;
}
