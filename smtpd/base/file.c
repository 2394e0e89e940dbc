#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int file_openat2(int folder, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC), .mode = mode, .resolve = resolve};

    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

int file_fill_standard(int flags)
{
    int fd;

    do
        fd = open("/dev/null", flags);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd < 0 ? -1 : close(fd);
}

int file_write_counted(int fd, const char *bytes, size_t len, off_t *count)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = EIO;
        if (written <= 0)
            return -1;
        bytes += written;
        len -= (size_t)written;
        *count += written;
    }
    return 0;
}

int file_write_all(int fd, const char *bytes, size_t len)
{
    off_t count = 0;

    return file_write_counted(fd, bytes, len, &count);
}

void file_close(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
}
