/*
 * mbox_open: one mailbox file, and how it is opened: it must be a regular file with a single hard
 * link, and no symbolic link may lead to it.
 *
 * Functions return 0, or -1 with errno (mbox_folder.h).
 */
#ifndef MAILSLOT_MBOX_OPEN_H
#define MAILSLOT_MBOX_OPEN_H

#include "mbox_folder.h"
#include "undo.h"

#include <limits.h>

struct mbox {
    /* mbox_open: which file it is */
    int folder, fd; /* -1: not open */
    char name[NAME_MAX + 1];
    bool absolute; /* its path */
    bool created;  /* by us, and nothing has been delivered to it yet */
    dev_t device;  /* with the inode: the same file, whatever its path */
    ino_t inode;
    struct undo_rules rules;
    /* mbox_lock */
    bool dotlocked;
    bool unsynced; /* its name may not be on the disk: a process that was killed may have made it */
    /* mbox: the append */
    bool undo;      /* the undo link is there, and the mailbox is not longer than it says */
    off_t size;     /* before the append */
    off_t written;  /* since then, by us */
    int separators; /* newlines that are missing at its end, 0 to 2 */
};

/* Closed, as mbox_close() leaves it. */
void mbox_init(struct mbox *mbox);

/* Would a file of this name be taken for the lock or the undo link of another mailbox? */
bool mbox_is_reserved(struct slice name);

/* Opens the file, and makes it (0600) if it is missing; but at an absolute path only if its folder
 * is ours alone, else MBOX_ABSENT. A relative path is one beneath root, which may be NULL for an
 * absolute one. The rules say how to restore what a crash has left. */
int mbox_open(struct mbox *mbox, const struct undo_rules *rules, const char *root,
              struct slice path);

/* Are both open on the same file? */
bool mbox_is_same(const struct mbox *a, const struct mbox *b);

/* Opens the file of that name again, which may be another one now. Never waits, because other
 * mailboxes may be locked: MBOX_LOCKED if another process has a lease on it. */
int mbox_reopen(struct mbox *mbox);

#endif
