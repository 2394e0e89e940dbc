/*
 * mbox: one message is appended to a mailbox; if anything fails, the mailbox is as it was before.
 *
 * If the process is killed in the middle of an append, the next delivery restores the mailbox:
 * before the first byte is written, a symbolic link MAILBOX.undo is made, whose text says how long
 * the mailbox was, how long it will be, its inode and the transaction's id. Such a link is made in
 * one step, costs no sync, and on a file system that keeps the order of its metadata it survives a
 * power cut if the longer file does.
 *
 * mbox_open() and mbox_lock() come first. Functions return 0, or -1 with errno (mbox_folder.h).
 */
#ifndef MAILSLOT_MBOX_H
#define MAILSLOT_MBOX_H

#include "mbox_lock.h"

#include <stddef.h>

/* Would this many bytes fit within the quota (0: none) and on the disk? Errors as of mbox_begin().
 */
int mbox_has_room(const struct mbox *mbox, uint64_t len, uint64_t quota);

/* Prepares to append len bytes after the separators: checks the quota (0: none), makes the undo
 * link. The caller then writes the separators and its bytes. */
int mbox_begin(struct mbox *mbox, uint64_t len, uint64_t quota, const char *id);

/* Appends. */
int mbox_write(struct mbox *mbox, const char *bytes, size_t len);

/* Writes all to the disk, with the names of a new mailbox and its folders. */
int mbox_sync(struct mbox *mbox);

/* The message stays, even if the undo link cannot be removed: it no longer fits. */
void mbox_commit(struct mbox *mbox);

/* Restores what was there before mbox_begin(). MBOX_CHANGED: another program has written to the
 * mailbox, so all of it stays, with what we have written. After any other failure the undo link
 * and the lock file stay: no program that honours locks uses the mailbox, and when this process has
 * ended, the next delivery restores it. */
int mbox_rollback(struct mbox *mbox);

#endif
