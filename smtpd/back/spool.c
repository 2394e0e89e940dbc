#include "spool.h"

#include "../file.h"
#include "mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void spool_begin(struct spool *spool)
{
    spool->size = spool->held = 0;
    spool->fd = -1;
}

void spool_end(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool_begin(spool);
}

static int make_file(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == ENOENT) { /* the first message of all */
        int root = mbox_open_root(folder);
        if (root >= 0) {
            fd = openat(root, ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
            close(root);
        }
    }
    if (fd < 0 && errno != ENOSPC && errno != EDQUOT) /* a rare file system, or no mail-root */
        fd = memfd_create("mailslot-spool", MFD_CLOEXEC);
    return fd;
}

static int empty_memory(struct spool *spool, const char *folder)
{
    if (spool->fd < 0)
        spool->fd = make_file(folder);
    if (spool->fd < 0 || file_write_all(spool->fd, spool->memory, spool->held) != 0)
        return -1;
    spool->held = 0;
    return 0;
}

int spool_write(struct spool *spool, const char *folder, const char *bytes, size_t len)
{
    spool->size += len;
    if (spool->fd >= 0 && spool->held == 0)
        return file_write_all(spool->fd, bytes, len);
    while (len > 0) {
        if (spool->held == sizeof spool->memory && empty_memory(spool, folder) != 0)
            return -1;
        size_t room = sizeof spool->memory - spool->held;
        size_t part = len < room ? len : room;
        memcpy(spool->memory + spool->held, bytes, part);
        spool->held += part;
        bytes += part;
        len -= part;
    }
    return 0;
}

int spool_finish(struct spool *spool, const char *folder)
{
    return spool->fd >= 0 && spool->held > 0 ? empty_memory(spool, folder) : 0;
}

/* If there is a file, the memory part is the buffer. */
int spool_copy(struct spool *spool, int fd)
{
    if (spool->fd < 0)
        return file_write_all(fd, spool->memory, spool->held);
    for (off_t at = 0; (uint64_t)at < spool->size;) {
        ssize_t got = pread(spool->fd, spool->memory, sizeof spool->memory, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got == 0)
                errno = EIO;
            return -1;
        }
        if (file_write_all(fd, spool->memory, (size_t)got) != 0)
            return -1;
        at += got;
    }
    return 0;
}
