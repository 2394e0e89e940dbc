/*
 * mbox_lock: the locks of a mailbox: fcntl (an open file description lock on the whole file),
 * flock, then MAILBOX.lock; the order of Debian Policy 11.6. If another program holds one of them,
 * those taken before it are released while we wait, so that we cannot deadlock with programs that
 * take them in another order.
 */
#ifndef MAILSLOT_MBOX_LOCK_H
#define MAILSLOT_MBOX_LOCK_H

#include "mbox_open.h"

#include <stdint.h>

/* Takes all locks by the deadline (milliseconds, monotonic; 0: without waiting), then restores what
 * a crash has left. 0, or -1 with errno: MBOX_LOCKED if another program holds one. */
int mbox_lock(struct mbox *mbox, int64_t deadline);

/* Releases the locks. The file stays open, so that its inode is not used for another one. */
void mbox_unlock(struct mbox *mbox);

/* Releases the locks and closes. */
void mbox_close(struct mbox *mbox);

#endif
