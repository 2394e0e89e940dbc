#include "private_file.h"

#include "../base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 5, PAUSE_MORE_MS = 16 };

/* Anybody else who could open it could hold all locks forever. */
static int open_safely(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);

    if (fd < 0)
        return -1;
    bool ours = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 &&
                (st.st_uid == geteuid() || geteuid() == 0);
    if (ours)
        return fd;
    close(fd);
    errno = EACCES;
    return -1;
}

/* A file that a session running as root has made may be in the way; mail-root is ours, so it is
 * replaced. */
int private_file_open(const struct settings *settings, const char *name,
                      char path[PRIVATE_FILE_PATH_MAX])
{
    snprintf(path, PRIVATE_FILE_PATH_MAX, "%s/%s", settings->mail_root, name);
    int fd = open_safely(path);

    if (fd < 0 && errno == ENOENT && mkdir(settings->mail_root, 0700) == 0)
        fd = open_safely(path);
    else if (fd < 0 && (errno == EACCES || errno == ELOOP) && unlink(path) == 0)
        fd = open_safely(path);
    return fd;
}

/* 1, 0 if none is free, or -1. */
static int try_one(int fd, off_t at, int count)
{
    for (int i = 0; i < count; i++) {
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at + i, .l_len = 1};
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
            return 1;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return -1;
    }
    return 0;
}

/* The pauses between tries vary, so that no process is always first. */
int private_file_lock(int fd, off_t at, int count, int64_t deadline)
{
    for (;;) {
        unsigned char random = 0;
        int got = try_one(fd, at, count);
        if (got != 0 || clock_ms() >= deadline)
            return got;
        if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
            random = 0;
        struct timespec pause = {.tv_nsec = (PAUSE_MS + random % PAUSE_MORE_MS) * 1000000L};
        nanosleep(&pause, NULL);
    }
}
