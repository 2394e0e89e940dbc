#include "auth_turn.h"

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/peer.h"
#include "../database/seal.h"
#include "log.h"
#include "private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

int auth_turn_take(const struct settings *settings, const char *peer)
{
    char path[PRIVATE_FILE_PATH_MAX];
    int64_t deadline = clock_ms() + (int64_t)settings->lock_timeout * 1000;
    int count = count_turns();

    int fd = private_file_open(settings, ".turns", path);
    int got = fd < 0 ? -1 : private_file_lock(fd, place_of(peer), count / 2, deadline);
    if (got == 1)
        got = private_file_lock(fd, 0, count, deadline);
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
