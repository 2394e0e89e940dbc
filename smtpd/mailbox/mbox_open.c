/* mbox: the way to the file. */
#include "mbox.h"

#include "../base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SUFFIX_LEN = 5, /* ".lock", ".undo" */
    BUSY_TRIES = 40,
    BUSY_WAIT_MS = 25,
    OPEN_TRIES = 10, /* while the file is replaced under our hands */
};

/* Opens beneath a folder; a symbolic link on the way is an error (CVE-2010-2024 and its kin). A
 * folder that is being moved, or a lease on the file, is waited for so many times. */
static int open_beneath(int folder, const char *path, int flags, mode_t mode, int busy_tries)
{
    const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    int fd, tries = 0;

    flags |= O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    while ((fd = file_openat2(folder, path, flags, mode, resolve)) < 0 &&
           (errno == EINTR || (errno == EAGAIN && tries++ < busy_tries)))
        if (errno == EAGAIN)
            usleep(BUSY_WAIT_MS * 1000);
    if (fd < 0 && errno == EAGAIN)
        errno = MBOX_LOCKED;
    if (fd < 0 && (errno == ELOOP || errno == EXDEV || errno == EISDIR || errno == ENOTDIR))
        errno = MBOX_UNSAFE;
    return fd;
}

/* Opens a folder beneath the one open as parent (which it closes); makes it if told to. */
static int open_folder(int parent, const char *path, bool make)
{
    int folder = open_beneath(parent, path, O_RDONLY | O_DIRECTORY, 0, BUSY_TRIES);

    if (folder < 0 && errno == ENOENT && make) {
        if (mkdirat(parent, path, 0700) == 0 || errno == EEXIST)
            folder = open_beneath(parent, path, O_RDONLY | O_DIRECTORY, 0, BUSY_TRIES);
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

static int open_file(struct mbox *mbox, int busy_tries)
{
    struct stat st;

    for (int tries = 0; mbox->fd < 0; tries++) {
        mbox->created = false;
        mbox->fd = open_beneath(mbox->folder, mbox->name, O_RDWR | O_APPEND, 0, busy_tries);
        if (mbox->fd < 0 && errno == ENOENT) {
            if (mbox->absolute && !is_ours_alone(mbox->folder)) {
                errno = MBOX_ABSENT;
                return -1;
            }
            mbox->fd = open_beneath(mbox->folder, mbox->name, O_RDWR | O_APPEND | O_CREAT | O_EXCL,
                                    0600, busy_tries);
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

int mbox_open_folder(const char *root, const char *path, size_t path_len)
{
    char folder[PATH_MAX];
    const char *slash = memrchr(path, '/', path_len);
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    bool absolute = path_len > 0 && path[0] == '/';

    if (len >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, len);
    folder[len] = '\0';
    int fd = absolute ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : mbox_open_root(root);
    return fd >= 0 && len > absolute ? open_folder(fd, folder + absolute, !absolute) : fd;
}

int mbox_open(struct mbox *mbox, const struct undo_rules *rules, const char *root, const char *path,
              size_t path_len)
{
    const char *slash = memrchr(path, '/', path_len);
    const char *name = slash == NULL ? path : slash + 1;
    size_t name_len = path_len - (size_t)(name - path);

    mbox_init(mbox);
    mbox->rules = rules;
    if (name_len == 0 || name_len > NAME_MAX - SUFFIX_LEN) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(mbox->name, name, name_len);
    mbox->name[name_len] = '\0';
    if (mbox_is_reserved(mbox->name, strlen(mbox->name))) {
        errno = MBOX_UNSAFE;
        return -1;
    }
    mbox->absolute = path[0] == '/';
    mbox->folder = mbox_open_folder(root, path, path_len);
    return mbox->folder < 0 ? -1 : open_file(mbox, BUSY_TRIES);
}

int mbox_reopen(struct mbox *mbox)
{
    if (mbox->fd >= 0)
        close(mbox->fd);
    mbox->fd = -1;
    return open_file(mbox, 0);
}
