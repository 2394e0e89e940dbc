#include "spool.h"

#include "../base/file.h"
#include "mbox_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void spool_begin(struct spool *spool, const char *root)
{
    spool->size = spool->held = 0;
    spool->fd = -1;
    spool->root = root;
    spool->mailbox = (struct slice){0};
}

void spool_goes_to(struct spool *spool, struct slice mailbox)
{
    if (spool->mailbox.len == 0 && slice_begins(mailbox, "/"))
        spool->mailbox = mailbox;
}

void spool_end(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool_begin(spool, spool->root);
}

/* On a file system without nameless files, such as NFS, it has a name for a moment. */
static int make_named(int folder)
{
    char name[64];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, sizeof name, ".mailslot-%d-%lld-%09ld", (int)getpid(), (long long)now.tv_sec,
             now.tv_nsec);
    int fd = openat(folder, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && unlinkat(folder, name, 0) != 0) {
        file_close(fd);
        return -1;
    }
    return fd;
}

/* Closes the folder. */
static int make_in(int folder)
{
    if (folder < 0)
        return -1;
    int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        fd = make_named(folder);
    file_close(folder);
    return fd;
}

static bool is_no_place(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM ||
           error == EROFS;
}

static int make_file(const struct spool *spool)
{
    int fd = make_in(mbox_open_root(spool->root));

    if (fd < 0 && spool->mailbox.len > 0 && is_no_place(errno))
        fd = make_in(mbox_open_folder(spool->root, spool->mailbox));
    return fd;
}

static int empty_memory(struct spool *spool)
{
    if (spool->fd < 0)
        spool->fd = make_file(spool);
    if (spool->fd < 0 || file_write_all(spool->fd, spool->memory, spool->held) != 0)
        return -1;
    spool->held = 0;
    return 0;
}

int spool_write(struct spool *spool, const char *bytes, size_t len)
{
    spool->size += len;
    if (spool->fd >= 0 && spool->held == 0)
        return file_write_all(spool->fd, bytes, len);
    while (len > 0) {
        if (spool->held == sizeof spool->memory && empty_memory(spool) != 0)
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

int spool_finish(struct spool *spool)
{
    return spool->fd >= 0 && spool->held > 0 ? empty_memory(spool) : 0;
}

/* If there is a file, the memory is its buffer. */
int spool_copy_part(struct spool *spool, uint64_t from, uint64_t to,
                    int (*write)(void *context, const char *bytes, size_t len), void *context)
{
    if (spool->fd < 0)
        return write(context, spool->memory + from, (size_t)(to - from));
    while (from < to) {
        size_t len = to - from < sizeof spool->memory ? (size_t)(to - from) : sizeof spool->memory;
        ssize_t got = pread(spool->fd, spool->memory, len, (off_t)from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got == 0)
                errno = EIO;
            return -1;
        }
        if (write(context, spool->memory, (size_t)got) != 0)
            return -1;
        from += (uint64_t)got;
    }
    return 0;
}

int spool_copy(struct spool *spool, int (*write)(void *context, const char *bytes, size_t len),
               void *context)
{
    return spool_copy_part(spool, 0, spool->size, write, context);
}
