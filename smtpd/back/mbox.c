#include "mbox.h"

#include "../clock.h"
#include "../file.h"
#include "dotlock.h"
#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    SUFFIX_LEN = 5,        /* ".lock", ".undo" */
    BACK_OFF_FIRST_MS = 5, /* between two tries for a lock file; doubled each time up to the last */
    BACK_OFF_LAST_MS = 320,
    BUSY_TRIES = 40,
    BUSY_WAIT_MS = 25,
    OPEN_TRIES = 10, /* while the file is replaced under our hands */
};

void mbox_init(struct mbox *mbox)
{
    *mbox = (struct mbox){.folder = -1, .fd = -1, .server = geteuid()};
}

/* Opens beneath a folder; a symbolic link on the way is an error (CVE-2010-2024 and its kin). */
static int open_beneath(int folder, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd;
    int tries = 0;

    while ((fd = syscall(SYS_openat2, folder, path, &how, sizeof how)) < 0 &&
           (errno == EINTR || (errno == EAGAIN && tries++ < BUSY_TRIES)))
        if (errno == EAGAIN) /* a folder is being moved, or somebody has a lease on the file */
            usleep(BUSY_WAIT_MS * 1000);
    if (fd < 0 && errno == EAGAIN)
        errno = MBOX_LOCKED;
    if (fd < 0 && (errno == ELOOP || errno == EXDEV || errno == EISDIR || errno == ENOTDIR))
        errno = MBOX_UNSAFE;
    return (int)fd;
}

/* Opens a folder beneath the one open as parent (which it closes); makes it if told to. */
static int open_folder(int parent, const char *path, bool make)
{
    int folder = open_beneath(parent, path, O_RDONLY | O_DIRECTORY, 0);

    if (folder < 0 && errno == ENOENT && make) {
        if (mkdirat(parent, path, 0700) == 0 || errno == EEXIST)
            folder = open_beneath(parent, path, O_RDONLY | O_DIRECTORY, 0);
    }
    file_close(parent);
    return folder;
}

/* The administrator's own path: links on it are his. */
int mbox_open_root(const char *path)
{
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root < 0 && errno == ENOENT && (mkdir(path, 0700) == 0 || errno == EEXIST))
        root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root;
}

/* In a folder of other users, as /var/mail is, a mailbox is its user's (Debian Policy 11.6): one
 * that we made would not be. */
static bool is_ours_alone(int folder)
{
    struct stat st;

    return fstat(folder, &st) == 0 && st.st_uid == geteuid() &&
           (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int open_file(struct mbox *mbox)
{
    struct stat st;

    for (int tries = 0; mbox->fd < 0; tries++) {
        mbox->created = false;
        mbox->fd = open_beneath(mbox->folder, mbox->name, O_RDWR | O_APPEND, 0);
        if (mbox->fd < 0 && errno == ENOENT) {
            if (mbox->absolute && !is_ours_alone(mbox->folder)) {
                errno = MBOX_ABSENT;
                return -1;
            }
            mbox->fd =
                open_beneath(mbox->folder, mbox->name, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0600);
            mbox->created = mbox->fd >= 0;
        }
        if (mbox->fd < 0 && (errno != EEXIST || tries == OPEN_TRIES))
            return -1;
    }
    if (fstat(mbox->fd, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1) {
        errno = MBOX_UNSAFE;
        return -1;
    }
    mbox->device = st.st_dev;
    mbox->inode = st.st_ino;
    return 0;
}

bool mbox_is_reserved(const char *name, size_t len)
{
    return len >= SUFFIX_LEN && (memcmp(name + len - SUFFIX_LEN, ".lock", SUFFIX_LEN) == 0 ||
                                 memcmp(name + len - SUFFIX_LEN, ".undo", SUFFIX_LEN) == 0);
}

int mbox_open(struct mbox *mbox, const char *root, const char *path, size_t path_len)
{
    char folder[PATH_MAX];
    const char *slash = memrchr(path, '/', path_len);
    size_t folder_len = slash == NULL ? 0 : (size_t)(slash - path);
    const char *name = slash == NULL ? path : slash + 1;
    size_t name_len = path_len - (size_t)(name - path);

    mbox_init(mbox);
    if (name_len == 0 || name_len > NAME_MAX - SUFFIX_LEN || folder_len >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(mbox->name, name, name_len);
    mbox->name[name_len] = '\0';
    if (mbox_is_reserved(mbox->name, strlen(mbox->name))) {
        errno = MBOX_UNSAFE;
        return -1;
    }
    memcpy(folder, path, folder_len);
    folder[folder_len] = '\0';
    mbox->absolute = path[0] == '/';
    const char *below = folder + mbox->absolute;
    mbox->folder =
        mbox->absolute ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : mbox_open_root(root);
    if (mbox->folder >= 0 && folder_len > mbox->absolute)
        mbox->folder = open_folder(mbox->folder, below, !mbox->absolute);
    return mbox->folder < 0 ? -1 : open_file(mbox);
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

static int reopen(struct mbox *mbox)
{
    close(mbox->fd);
    mbox->fd = -1;
    return open_file(mbox);
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
            if (reopen(mbox) != 0)
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
