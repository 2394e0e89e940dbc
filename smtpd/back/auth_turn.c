#include "auth_turn.h"

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/peer.h"
#include "../database/seal.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 5, PAUSE_MORE_MS = 16 };

/* Where a source's turns are in the file: after those of everybody, AUTH_TURN_MAX bytes for each
 * source. The file stays empty; locks may lie beyond its end. */
static off_t place_of(const char *peer)
{
    char source[PEER_MAX];

    peer_source(peer, source);
    return (off_t)((seal_hash(source, strlen(source)) >> 8) + 1) * AUTH_TURN_MAX;
}

static int count_turns(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : AUTH_TURN_MIN;

    return count < AUTH_TURN_MIN ? AUTH_TURN_MIN : count > AUTH_TURN_MAX ? AUTH_TURN_MAX : count;
}

/* Anybody else who could open it could hold all turns forever. */
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
static int open_turns(const char *path, const char *root)
{
    int fd = open_safely(path);

    if (fd < 0 && errno == ENOENT && mkdir(root, 0700) == 0)
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
static int wait_for_one(int fd, off_t at, int count, int64_t deadline)
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

int auth_turn_take(const struct settings *settings, const char *peer)
{
    char path[SETTINGS_PATH_MAX + sizeof "/.turns"];
    int64_t deadline = clock_ms() + (int64_t)settings->lock_timeout * 1000;
    int count = count_turns();

    snprintf(path, sizeof path, "%s/.turns", settings->mail_root);
    int fd = open_turns(path, settings->mail_root);
    int got = fd < 0 ? -1 : wait_for_one(fd, place_of(peer), count / 2, deadline);
    if (got == 1)
        got = wait_for_one(fd, 0, count, deadline);
    if (got == 1)
        return fd;
    if (got < 0)
        log_event(EVENT_AUTH_UNLIMITED, "path", path, "error", strerror(errno), "do",
                  "allow the user that the server runs as to create this file", NULL);
    if (fd >= 0)
        file_close(fd);
    return got < 0 ? AUTH_TURN_UNLIMITED : AUTH_TURN_NONE;
}

void auth_turn_end(int turn)
{
    if (turn >= 0)
        close(turn);
}
