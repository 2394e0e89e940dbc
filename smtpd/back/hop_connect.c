#include "hop_connect.h"

#include "../base/clock.h"
#include "../base/file.h"
#include "../confine/confine_back.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAUSE_MS = 20 };

/* 0, or -1 with errno. The pause may end early: after a signal to stop, there is less time. */
static int pause_until(int64_t deadline)
{
    int64_t end = clock_ms() + PAUSE_MS;
    enum wait wait = end < deadline ? wait_for(-1, 0, end) : WAIT_OVERTIME;

    errno = wait == WAIT_OVERTIME ? ETIMEDOUT : ECANCELED;
    return wait == WAIT_OVERTIME && clock_ms() >= end ? 0 : -1;
}

/* A full queue makes a blocking connect(2) wait for ever. */
static int connect_to(int fd, int socket, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = offsetof(struct sockaddr_un, sun_path) +
                 (size_t)snprintf(address.sun_path, sizeof address.sun_path, "/dev/fd/%d", socket);

    errno = EMFILE;
    if (len >= CONFINE_BACK_ADDRESS)
        return -1;
    while (connect(fd, (const struct sockaddr *)&address, (socklen_t)len) != 0)
        if ((errno != EAGAIN && errno != EINTR) || pause_until(deadline) != 0)
            return -1;
    return 0;
}

static int check_socket(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    errno = ENOTSOCK;
    return S_ISSOCK(st.st_mode) ? 0 : -1;
}

/* The hand, which the socket is for, waits by poll(2). */
static int make_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

int hop_connect(const char *path, int64_t deadline)
{
    int socket_there = open(path, O_PATH | O_CLOEXEC), fd = -1;

    if (socket_there < 0)
        return -1;
    if (check_socket(socket_there) == 0)
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (connect_to(fd, socket_there, deadline) != 0 || make_blocking(fd) != 0)) {
        file_close(fd);
        fd = -1;
    }
    file_close(socket_there);
    return fd;
}
