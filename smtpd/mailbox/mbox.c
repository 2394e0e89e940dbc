#include "mbox.h"

#include "../base/file.h"
#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* After our messages there is an empty line; other programs may leave less. */
static int count_separators(int fd, off_t size)
{
    char end[2] = "\n\n";
    off_t at = size < 2 ? 0 : size - 2;
    ssize_t got = size == 0 ? 0 : pread(fd, end + 2 - (size - at), (size_t)(size - at), at);

    if (got != size - at)
        return got < 0 ? -1 : 2;
    return end[1] != '\n' ? 2 : end[0] != '\n';
}

int mbox_has_room(const struct mbox *mbox, uint64_t len, uint64_t quota)
{
    struct stat st;
    struct statvfs disk;

    if (fstat(mbox->fd, &st) != 0 || fstatvfs(mbox->fd, &disk) != 0)
        return -1;
    if (quota > 0 && (uint64_t)st.st_size + len > quota) {
        errno = MBOX_OVER_QUOTA;
        return -1;
    }
    uint64_t blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
    bool known = disk.f_frsize > 0 && disk.f_blocks > 0; /* some file systems report nothing */
    if (known && blocks < len / disk.f_frsize) {
        errno = ENOSPC;
        return -1;
    }
    return 0;
}

int mbox_begin(struct mbox *mbox, uint64_t len, uint64_t quota, const char *id)
{
    struct stat st;

    if (fstat(mbox->fd, &st) != 0)
        return -1;
    mbox->size = st.st_size;
    mbox->written = 0;
    mbox->separators = count_separators(mbox->fd, mbox->size);
    if (mbox->separators < 0)
        return -1;
    uint64_t end = (uint64_t)mbox->size + (uint64_t)mbox->separators + len;
    if (quota > 0 && end > quota) {
        errno = MBOX_OVER_QUOTA;
        return -1;
    }
    if (undo_make(mbox->folder, mbox->name, mbox->fd, mbox->size, (off_t)end, id) != 0) {
        if (errno == EEXIST)
            errno = MBOX_STRAY;
        return -1;
    }
    mbox->undo = true;
    return 0;
}

int mbox_write(struct mbox *mbox, const char *bytes, size_t len)
{
    return file_write_counted(mbox->fd, bytes, len, &mbox->written);
}

/* The folder of a new mailbox may be new as well, and so may the one above, whose name is in yet
 * another. In a folder that we may not open we have made nothing. */
static int sync_folders(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : 0;

    for (int level = 0; fd >= 0; level++) {
        do
            result = fsync(fd);
        while (result != 0 && errno == EINTR);
        int error = errno;
        int above =
            result == 0 && level < 2 ? openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        close(fd);
        errno = error;
        fd = above;
    }
    return result;
}

int mbox_sync(struct mbox *mbox)
{
    int result;

    do
        result = fdatasync(mbox->fd);
    while (result != 0 && errno == EINTR);
    if (result == 0 && (mbox->size == 0 || mbox->unsynced))
        result = sync_folders(mbox->folder);
    return result;
}

void mbox_commit(struct mbox *mbox)
{
    undo_remove(mbox->folder, mbox->name);
    mbox->undo = false;
    mbox->created = false;
}

/* Another delivery may have locked and written the file that we made before we could. */
static bool is_empty(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_size == 0;
}

/* Cuts off what we have written only, not what a program that ignores locks has appended. */
static int cut_back(const struct mbox *mbox)
{
    struct stat st;
    int result;

    if (fstat(mbox->fd, &st) != 0)
        return -1;
    if (st.st_size != mbox->size + mbox->written) {
        errno = MBOX_CHANGED;
        return -1;
    }
    do
        result = ftruncate(mbox->fd, mbox->size);
    while (result != 0 && errno == EINTR);
    return result;
}

int mbox_rollback(struct mbox *mbox)
{
    int error = 0;

    if (mbox->undo) {
        error = cut_back(mbox) == 0 ? 0 : errno;
        if ((error == 0 || error == MBOX_CHANGED) && undo_remove(mbox->folder, mbox->name) != 0)
            error = errno;
        if (error != 0 && error != MBOX_CHANGED)
            mbox->dotlocked = false; /* it stays, and becomes stale when we end */
        mbox->undo = false;
    }
    if (error != 0) {
        errno = error;
        return -1;
    }
    bool locked = mbox->created && (mbox->dotlocked || mbox_lock(mbox, 0) == 0);
    /* mbox_lock() may have opened another file of that name, which we have not made. */
    return locked && mbox->created && is_empty(mbox->fd) ? unlinkat(mbox->folder, mbox->name, 0)
                                                         : 0;
}
