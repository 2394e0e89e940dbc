/*
 * Preloaded into the server by test_delivery.py: sending the $FAILING_SEND-th message from the
 * front to the back fails with ENOBUFS. Only in the front is descriptor 2 the wall.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static long left;

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("FAILING_SEND");

    left = number == NULL ? 0 : strtol(number, NULL, 10);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    if (fd == 2 && --left == 0) {
        errno = ENOBUFS;
        return -1;
    }
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}
