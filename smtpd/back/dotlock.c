#include "dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STALE_SECONDS = 300 };

static void lock_name(char to[NAME_MAX + 1], const char *name)
{
    snprintf(to, NAME_MAX + 1, "%s.lock", name); /* mbox.c has checked the length */
}

static int write_pid(int fd)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    ssize_t written;

    do
        written = write(fd, text, (size_t)len);
    while (written < 0 && errno == EINTR);
    if (written >= 0 && written != len)
        errno = ENOSPC;
    return written == len ? 0 : -1;
}

/* Gives the nameless file its name. The plain way takes a newer kernel, or root. */
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

/* A lock has its process id from the moment on that it exists: were we killed in between, nobody
 * could tell for five minutes that it is stale. */
static int make_whole(int folder, const char *lock)
{
    int fd = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);

    if (fd < 0)
        return -1;
    int result = write_pid(fd) == 0 ? name_file(fd, folder, lock) : -1;
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

/* Where that cannot be: a file system without nameless files, a machine without /proc. */
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

static int make_lock(int folder, const char *lock)
{
    if (make_whole(folder, lock) == 0)
        return 0;
    if (errno == EEXIST || errno == ENOSPC || errno == EDQUOT)
        return -1;
    return make_plainly(folder, lock);
}

static pid_t read_pid(int folder, const char *lock)
{
    char text[16] = "";
    int fd = openat(folder, lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    return got > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static bool is_stale(int folder, const char *lock, const struct stat *st)
{
    struct timespec now, up;
    pid_t pid = read_pid(folder, lock);

    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    if (st->st_mtime < now.tv_sec - up.tv_sec - 1) /* made before this machine was started */
        return true;
    if (pid > 0)
        return kill(pid, 0) != 0 && errno == ESRCH;
    return st->st_mtime < now.tv_sec - STALE_SECONDS;
}

/* 0 if the lock is gone now, -1 with errno: EEXIST if it is live. Two mailslots never come here at
 * once, for they hold the mailbox's fcntl lock. */
static int break_stale(int folder, const char *lock)
{
    struct stat st, again;

    if (fstatat(folder, lock, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    if (!S_ISREG(st.st_mode) || !is_stale(folder, lock, &st))
        return errno = EEXIST, -1;
    if (fstatat(folder, lock, &again, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    if (again.st_ino != st.st_ino || again.st_mtime != st.st_mtime)
        return errno = EEXIST, -1;
    return unlinkat(folder, lock, 0) == 0 || errno == ENOENT ? 0 : -1;
}

int dotlock_take(int folder, const char *name)
{
    char lock[NAME_MAX + 1];

    lock_name(lock, name);
    if (make_lock(folder, lock) == 0)
        return 0;
    if (errno != EEXIST || break_stale(folder, lock) != 0)
        return -1;
    return make_lock(folder, lock);
}

int dotlock_drop(int folder, const char *name)
{
    char lock[NAME_MAX + 1];

    lock_name(lock, name);
    return unlinkat(folder, lock, 0);
}
