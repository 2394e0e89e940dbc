#include "mbox.h"

#include "../clock.h"
#include "dotlock.h"
#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    BACK_OFF_FIRST_MS = 5, /* between two tries for a lock file; doubled each time up to the last */
    BACK_OFF_LAST_MS = 320,
};

void mbox_init(struct mbox *mbox)
{
    *mbox = (struct mbox){.folder = -1, .fd = -1, .server = geteuid()};
}

static void on_alarm(int signal)
{
    (void)signal; /* it is to interrupt fcntl() */
}

/* Waits in the kernel, first come, first served; the timer goes on in case it strikes too early. */
static int wait_fcntl(int fd, struct flock *lock, int64_t deadline)
{
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval often = {{0, 100000}, {0, 100000}}, never = {{0, 0}, {0, 0}};
    int result;

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    do
        result = fcntl(fd, F_OFD_SETLKW, lock);
    while (result != 0 && errno == EINTR && clock_ms() < deadline);
    int error = errno == EINTR ? MBOX_LOCKED : errno;
    setitimer(ITIMER_REAL, &never, NULL);
    errno = error;
    return result;
}

static int lock_fcntl(int fd, int64_t deadline)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES && errno != EINTR)
        return -1;
    return wait_fcntl(fd, &lock, deadline);
}

static void unlock_fcntl(int fd)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    fcntl(fd, F_OFD_SETLK, &lock);
}

/* Is the file we have open, and have waited for, still the one of that name? */
static bool is_same_file(const struct mbox *mbox)
{
    struct stat named;

    return fstatat(mbox->folder, mbox->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           named.st_dev == mbox->device && named.st_ino == mbox->inode;
}

static void drop_dotlock(struct mbox *mbox)
{
    if (mbox->dotlocked)
        dotlock_drop(mbox->folder, mbox->name);
    mbox->dotlocked = false;
}

/* While the lock file of one who was killed still keeps others away, the mailbox is made whole:
 * killed here, too, we leave all as it is for the next. */
static int take_dotlock(struct mbox *mbox)
{
    struct stat st;

    if (dotlock_take(mbox->folder, mbox->name) != 0) {
        if (errno != EEXIST)
            return -1;
        int stale = dotlock_is_stale(mbox->folder, mbox->name, &st);
        mbox->unsynced = mbox->unsynced || stale == 1;
        if (stale == 0)
            errno = EEXIST;
        if (stale <= 0 ||
            undo_restore(mbox->folder, mbox->name, mbox->fd, mbox->server, &st.st_mtim,
                         &mbox->restored) != 0 ||
            dotlock_break(mbox->folder, mbox->name, &st) != 0 ||
            dotlock_take(mbox->folder, mbox->name) != 0)
            return -1;
    }
    mbox->dotlocked = true;
    return 0;
}

static int lock_both(struct mbox *mbox, int64_t deadline)
{
    for (int wait = BACK_OFF_FIRST_MS;; wait = wait < BACK_OFF_LAST_MS ? 2 * wait : wait) {
        if (lock_fcntl(mbox->fd, deadline) != 0)
            return -1;
        if (!is_same_file(mbox)) {
            if (clock_ms() >= deadline)
                return errno = MBOX_LOCKED, -1;
            if (mbox_reopen(mbox) != 0)
                return -1;
            continue;
        }
        if (take_dotlock(mbox) == 0) {
            if (is_same_file(mbox))
                return 0;
            drop_dotlock(mbox); /* who had the lock file before us has replaced the mailbox */
        } else if (errno != EEXIST) {
            return -1;
        }
        unlock_fcntl(mbox->fd); /* whoever has the lock file may want this one next */
        if (clock_ms() + wait >= deadline)
            return errno = MBOX_LOCKED, -1;
        usleep((useconds_t)wait * 1000);
    }
}

int mbox_lock(struct mbox *mbox, int64_t deadline)
{
    if (lock_both(mbox, deadline) != 0)
        return -1;
    return undo_restore(mbox->folder, mbox->name, mbox->fd, mbox->server, NULL, &mbox->restored);
}

/* Behind a mailbox of our own stands an empty line. Others may have left it otherwise. */
static int count_separators(int fd, off_t size)
{
    char end[2] = "\n\n";
    off_t at = size < 2 ? 0 : size - 2;
    ssize_t got = size == 0 ? 0 : pread(fd, end + 2 - (size - at), (size_t)(size - at), at);

    if (got != size - at)
        return got < 0 ? -1 : 2;
    return end[1] != '\n' ? 2 : end[0] != '\n';
}

int mbox_begin(struct mbox *mbox, uint64_t len, uint64_t quota, const char *id)
{
    struct stat st;

    if (fstat(mbox->fd, &st) != 0)
        return -1;
    mbox->size = st.st_size;
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

/* The folder of a new mailbox may be new as well, and so may be the one it is in, and that one's
 * name stands in yet another. Where we may not look we have made nothing. */
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

/* Another delivery may have been the first to lock, and to write, the file that we made. */
static bool is_empty(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_size == 0;
}

int mbox_rollback(struct mbox *mbox)
{
    int result = 0;

    if (mbox->undo) {
        do
            result = ftruncate(mbox->fd, mbox->size);
        while (result != 0 && errno == EINTR);
        if (result == 0)
            result = undo_remove(mbox->folder, mbox->name);
        if (result != 0)
            mbox->dotlocked = false; /* it stays, and is stale when we are gone */
        mbox->undo = false;
    }
    if (result == 0 && mbox->created && mbox->dotlocked && is_empty(mbox->fd))
        result = unlinkat(mbox->folder, mbox->name, 0);
    return result;
}

void mbox_unlock(struct mbox *mbox)
{
    drop_dotlock(mbox);
    unlock_fcntl(mbox->fd);
}

void mbox_close(struct mbox *mbox)
{
    drop_dotlock(mbox);
    if (mbox->fd >= 0)
        close(mbox->fd);
    if (mbox->folder >= 0)
        close(mbox->folder);
    mbox_init(mbox);
}
