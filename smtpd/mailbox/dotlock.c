#include "dotlock.h"

#include "../base/clock.h"
#include "../base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STALE_SECONDS = 300 };

static void lock_name(char to[NAME_MAX + 1], const char *name)
{
    snprintf(to, NAME_MAX + 1, "%s.lock", name); /* mbox_open() has checked the length */
}

static int write_pid(int fd)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());

    return file_write_all(fd, text, (size_t)len);
}

/* Gives the nameless file its name. The direct way needs a newer kernel, or root. */
static int name_file(int fd, int folder, const char *lock)
{
    char path[32];

    if (linkat(fd, "", folder, lock, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno == EEXIST)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, folder, lock, AT_SYMLINK_FOLLOW);
}

/* A lock has its process id from the moment that it exists: if we were killed in between, nobody
 * could see for five minutes that it is stale. */
static int make_whole(int folder, const char *lock)
{
    int fd = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);

    if (fd < 0)
        return -1;
    int result = write_pid(fd) == 0 ? name_file(fd, folder, lock) : -1;
    file_close(fd);
    return result;
}

/* Where that is not possible: a file system without nameless files, a machine without /proc. */
static int make_plainly(int folder, const char *lock)
{
    int fd = openat(folder, lock, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0)
        return -1;
    int result = write_pid(fd), error = errno;
    if (result != 0)
        unlinkat(folder, lock, 0);
    close(fd);
    errno = error;
    return result;
}

/* The number, if there is nothing else. With text after it, as in Dovecot's 31337:imap.example.net,
 * it is one of another host or name space. 0: no process here. */
static pid_t parse_pid(const char *text)
{
    char *end;
    long pid = strtol(text, &end, 10);

    return pid < 0 || pid > INT_MAX || end[strspn(end, " \t\r\n")] != '\0' ? 0 : (pid_t)pid;
}

pid_t dotlock_holder(int folder, const char *name)
{
    char lock[NAME_MAX + 1], text[64] = "";

    lock_name(lock, name);
    int fd = openat(folder, lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, text, sizeof text - 1);
    file_close(fd);
    return got < 0 ? -1 : parse_pid(text);
}

static bool is_of_another_boot(const struct stat *st)
{
    return st->st_mtime < clock_boot() - 1;
}

/* Has the process ended? While it runs the lock is not stale, however old it seems: the clock may
 * have been set forward. But a process of another user has not made a lock of ours: after a power
 * cut it may have got the same id. */
static bool is_gone(pid_t pid, const struct stat *st)
{
    if (kill(pid, 0) == 0)
        return false;
    return errno == ESRCH || (errno == EPERM && st->st_uid == geteuid() && is_of_another_boot(st));
}

int dotlock_is_stale(int folder, const char *name, struct stat *st)
{
    char lock[NAME_MAX + 1];

    lock_name(lock, name);
    if (fstatat(folder, lock, st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    if (!S_ISREG(st->st_mode))
        return 0;
    pid_t pid = dotlock_holder(folder, name);
    if (pid < 0 && errno != EACCES)
        return errno == ENOENT ? 0 : -1;
    if (pid > 0 && pid != getpid())
        return is_gone(pid, st);
    return is_of_another_boot(st) || st->st_mtime < time(NULL) - STALE_SECONDS;
}

int dotlock_break(int folder, const char *name, const struct stat *st)
{
    char lock[NAME_MAX + 1];
    struct stat now;

    lock_name(lock, name);
    if (fstatat(folder, lock, &now, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    if (now.st_ino != st->st_ino || now.st_mtim.tv_sec != st->st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != st->st_mtim.tv_nsec) {
        errno = EEXIST;
        return -1;
    }
    return unlinkat(folder, lock, 0) == 0 || errno == ENOENT ? 0 : -1;
}

int dotlock_take(int folder, const char *name)
{
    char lock[NAME_MAX + 1];

    lock_name(lock, name);
    if (make_whole(folder, lock) == 0)
        return 0;
    if (errno == EEXIST || errno == ENOSPC || errno == EDQUOT)
        return -1;
    return make_plainly(folder, lock);
}

int dotlock_drop(int folder, const char *name)
{
    char lock[NAME_MAX + 1];

    lock_name(lock, name);
    return unlinkat(folder, lock, 0);
}
