/*
 * mbox_folder: the folders of mailboxes, and how anything in them is opened: beneath mail-root, or
 * on an absolute path, and through no symbolic link.
 *
 * Functions return a descriptor, which the caller closes, or -1 with errno.
 */
#ifndef MAILSLOT_MBOX_FOLDER_H
#define MAILSLOT_MBOX_FOLDER_H

#include "../base/slice.h"

#include <stdbool.h>
#include <sys/types.h>

/* The values of errno that the mbox functions add to the system's. */
enum {
    MBOX_LOCKED = 100000, /* somebody holds a lock */
    MBOX_OVER_QUOTA,
    MBOX_STRAY,   /* MAILBOX.undo is there, and is not our link */
    MBOX_ABSENT,  /* there is no mailbox, and only its user or root may make one in that folder */
    MBOX_UNSAFE,  /* not a regular file with a single hard link, or a symbolic link leads to it */
    MBOX_CHANGED, /* a program that ignores locks has written to the mailbox while we held them */
};

/* Opens mail-root, and makes it (0700) if it is missing. */
int mbox_open_root(const char *path);

/* Opens the folder of a mailbox. If its path is relative, it is one beneath root, and its folder is
 * made (0700) if it is missing; otherwise root may be NULL. */
int mbox_open_folder(const char *root, struct slice path);

/* Opens a file or folder beneath this one. If a folder on the way is being moved, or another
 * process has a lease on the file, waits a second at most, or fails at once with MBOX_LOCKED. */
int mbox_open_beneath(int folder, const char *path, int flags, mode_t mode, bool wait);

#endif
