/*
 * Preloaded into the server by test_kill.py: write(2), pwrite(2) and writev(2) to regular files
 * take at most $SHORT_WRITES bytes at once, as a kernel may. Each shortened write adds a byte to
 * the file $SHORT_WRITES_LOG. A forked process (the front) is not affected.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static size_t most;
static int log_fd = -1;

static void in_child(void)
{
    most = 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("SHORT_WRITES"), *path = getenv("SHORT_WRITES_LOG");

    most = number == NULL ? 0 : strtoul(number, NULL, 10);
    if (path != NULL)
        log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    pthread_atfork(NULL, NULL, in_child);
}

static size_t cut(int fd, size_t len)
{
    struct stat st;

    if (most == 0 || len <= most || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return len;
    if (log_fd >= 0)
        syscall(SYS_write, log_fd, "x", 1);
    return most;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return syscall(SYS_write, fd, bytes, cut(fd, len));
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return syscall(SYS_pwrite64, fd, bytes, cut(fd, len), at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite(fd, bytes, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    struct iovec first = {0};

    for (int i = 0; i < count && first.iov_len == 0; i++)
        first = parts[i];
    if (most != 0 && first.iov_len > 0) {
        size_t len = cut(fd, first.iov_len);
        if (len < first.iov_len || count > 1)
            return syscall(SYS_write, fd, first.iov_base, len);
    }
    return syscall(SYS_writev, fd, parts, count);
}
