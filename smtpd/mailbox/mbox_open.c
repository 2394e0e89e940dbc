#include "mbox_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SUFFIX_LEN = 5,  /* ".lock", ".undo" */
    OPEN_TRIES = 10, /* if it is removed and made again by others meanwhile */
};

void mbox_init(struct mbox *mbox)
{
    *mbox = (struct mbox){.folder = -1, .fd = -1};
}

bool mbox_is_reserved(struct slice name)
{
    return slice_ends(name, ".lock") || slice_ends(name, ".undo");
}

/* In a folder shared by users, such as /var/mail, each mailbox belongs to its user (Debian Policy
 * 11.6); one that we made would not. */
static bool is_ours_alone(int folder)
{
    struct stat st;

    return fstat(folder, &st) == 0 && st.st_uid == geteuid() &&
           (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int open_file(struct mbox *mbox, bool wait)
{
    struct stat st;

    for (int tries = 0; mbox->fd < 0; tries++) {
        mbox->created = false;
        mbox->fd = mbox_open_beneath(mbox->folder, mbox->name, O_RDWR | O_APPEND, 0, wait);
        if (mbox->fd < 0 && errno == ENOENT) {
            if (mbox->absolute && !is_ours_alone(mbox->folder)) {
                errno = MBOX_ABSENT;
                return -1;
            }
            mbox->fd = mbox_open_beneath(mbox->folder, mbox->name,
                                         O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0600, wait);
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

int mbox_open(struct mbox *mbox, const struct undo_rules *rules, const char *root,
              struct slice path)
{
    const char *slash = memrchr(path.at, '/', path.len);
    const char *begin = slash == NULL ? path.at : slash + 1;
    struct slice name = {begin, path.len - (size_t)(begin - path.at)};

    mbox_init(mbox);
    mbox->rules = *rules;
    if (name.len == 0 || name.len > NAME_MAX - SUFFIX_LEN) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (mbox_is_reserved(name)) {
        errno = MBOX_UNSAFE;
        return -1;
    }
    *(char *)mempcpy(mbox->name, name.at, name.len) = '\0';
    mbox->absolute = slice_begins(path, "/");
    mbox->folder = mbox_open_folder(root, path);
    return mbox->folder < 0 ? -1 : open_file(mbox, true);
}

int mbox_reopen(struct mbox *mbox)
{
    if (mbox->fd >= 0)
        close(mbox->fd);
    mbox->fd = -1;
    return open_file(mbox, false);
}

bool mbox_is_same(const struct mbox *a, const struct mbox *b)
{
    return a->device == b->device && a->inode == b->inode;
}
