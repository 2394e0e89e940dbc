#include "mbox_lock.h"

#include "../base/clock.h"
#include "dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    BACK_OFF_FIRST_MS = 5, /* between two tries; doubled each time, up to the last */
    BACK_OFF_LAST_MS = 320,
    REPLACED_TRIES = 10, /* if the file is replaced each time before we have its lock */
};

static void on_alarm(int signal)
{
    (void)signal; /* it only has to interrupt fcntl() */
}

/* Waits in the kernel, first come, first served. The timer repeats, in case it fires too early. */
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
    if (clock_ms() < deadline)
        return wait_fcntl(fd, &lock, deadline);
    errno = MBOX_LOCKED;
    return -1;
}

/* For programs that use nothing else. If the file system does not support it, go on without. */
static int lock_flock(int fd)
{
    int result;

    do
        result = flock(fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result == 0 || errno != EWOULDBLOCK)
        return 0;
    errno = MBOX_LOCKED;
    return -1;
}

static void unlock_kernel(int fd)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    int error = errno;

    flock(fd, LOCK_UN);
    fcntl(fd, F_OFD_SETLK, &lock);
    errno = error;
}

/* Is the file that we have open, and have waited for, still the one of that name? */
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

/* Restores the mailbox while the lock file of the process that was killed still keeps others away.
 * If we are killed here too, the next delivery finds everything as we did. */
static int break_dotlock(struct mbox *mbox)
{
    struct stat st;
    int stale = dotlock_is_stale(mbox->folder, mbox->name, &st);

    mbox->unsynced = mbox->unsynced || stale == 1;
    if (stale == 0)
        errno = EEXIST;
    if (stale <= 0 ||
        undo_restore(mbox->folder, mbox->name, mbox->fd, &mbox->rules, &st.st_mtim) != 0)
        return -1;
    return dotlock_break(mbox->folder, mbox->name, &st);
}

static int take_dotlock(struct mbox *mbox)
{
    if (dotlock_take(mbox->folder, mbox->name) != 0 &&
        (errno != EEXIST || break_dotlock(mbox) != 0 ||
         dotlock_take(mbox->folder, mbox->name) != 0)) {
        if (errno == EEXIST)
            errno = MBOX_LOCKED;
        return -1;
    }
    mbox->dotlocked = true;
    if (is_same_file(mbox))
        return 0;
    drop_dotlock(mbox); /* the last holder of the lock file has replaced the mailbox */
    errno = MBOX_LOCKED;
    return -1;
}

/* Takes all locks, or none. Waits only for the first one, when nothing is held yet. */
static int take_all(struct mbox *mbox, int64_t deadline)
{
    for (int tries = 0;; tries++) {
        if (mbox->fd < 0 && mbox_reopen(mbox) != 0) /* last time there was a lease on it */
            return -1;
        if (lock_fcntl(mbox->fd, deadline) != 0)
            return -1;
        if (is_same_file(mbox))
            break;
        if (tries == REPLACED_TRIES) {
            unlock_kernel(mbox->fd);
            errno = MBOX_LOCKED;
            return -1;
        }
        if (mbox_reopen(mbox) != 0)
            return -1;
    }
    if (lock_flock(mbox->fd) == 0 && take_dotlock(mbox) == 0)
        return 0;
    unlock_kernel(mbox->fd); /* the holder of another one may want this one next */
    return -1;
}

int mbox_lock(struct mbox *mbox, int64_t deadline)
{
    for (int wait = BACK_OFF_FIRST_MS;; wait = wait < BACK_OFF_LAST_MS ? 2 * wait : wait) {
        if (take_all(mbox, deadline) == 0)
            return undo_restore(mbox->folder, mbox->name, mbox->fd, &mbox->rules, NULL);
        if (errno != MBOX_LOCKED || clock_ms() + wait >= deadline)
            return -1;
        usleep((useconds_t)wait * 1000);
    }
}

void mbox_unlock(struct mbox *mbox)
{
    drop_dotlock(mbox);
    unlock_kernel(mbox->fd);
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
