/*
 * mbox: one mailbox file: opened safely, locked, appended to, and as it was before if anything
 * fails.
 *
 * Locks: fcntl (an open file description lock on the whole file), flock, then MAILBOX.lock; the
 * order of Debian Policy 11.6. If somebody else holds one, those before it are let go while we
 * wait: so we cannot deadlock with a program that takes them in another order.
 *
 * Killed in the middle of an append, the next one restores the mailbox: before the first byte is
 * written, a symbolic link MAILBOX.undo is made whose text says how long the mailbox was, how long
 * it will be, its inode and the transaction's id. Such a link is made in one step, costs no sync,
 * and on a file system that keeps the order of its metadata is there after a power cut if the
 * longer file is.
 *
 * All functions return 0, or -1 with errno.
 */
#ifndef MAILSLOT_MBOX_H
#define MAILSLOT_MBOX_H

#include "undo.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mbox {
    int folder, fd; /* -1: not open */
    char name[NAME_MAX + 1];
    bool absolute; /* its path */
    bool created;  /* the file was not there before */
    bool unsynced; /* its name may not be on the disk: one who was killed has perhaps made it */
    bool dotlocked;
    dev_t device; /* which file it is, whatever its path */
    ino_t inode;
    const struct undo_rules *rules;
    bool undo;      /* the undo link is there, and the mailbox not longer than it tells */
    off_t size;     /* before the append */
    off_t written;  /* since then, by us */
    int separators; /* newlines that are missing at its end, 0 to 2 */
};

/* What a failure may mean besides the system's own errors. */
enum {
    MBOX_LOCKED = 100000, /* somebody holds a lock */
    MBOX_OVER_QUOTA,
    MBOX_STRAY,   /* something that is no link of ours has the name MAILBOX.undo */
    MBOX_ABSENT,  /* it is not there, and its folder is not ours alone: its user's to be made */
    MBOX_UNSAFE,  /* not a regular file with one link, or a link on the way to it */
    MBOX_CHANGED, /* while it was locked, a program that heeds no lock has written to it */
};

/* A closed one: what mbox_close() leaves, too. */
void mbox_init(struct mbox *mbox);

/* A name that would be taken for another mailbox's lock. */
bool mbox_is_reserved(const char *name, size_t len);

/* Opens mail-root, and makes it (0700) if it is missing; the caller closes it. */
int mbox_open_root(const char *path);

/* Opens the file, and makes it (0600) if it is missing, but not in folders of others that an
 * absolute path leads to. A relative path is one beneath root (else NULL); its folder is made, too
 * (0700). No symbolic link is followed, but on the way to root. The rules are those for what a
 * crash has left, and stay the caller's. */
int mbox_open(struct mbox *mbox, const struct undo_rules *rules, const char *root, const char *path,
              size_t path_len);

/* The folder of such a path, in the same way; the caller closes it. -1 with errno. */
int mbox_open_folder(const char *root, const char *path, size_t path_len);

/* The same file name again, which may be another file by now. In mbox_lock(), where other mailboxes
 * may be locked: so it does not wait. MBOX_LOCKED if somebody has a lease on the file. */
int mbox_reopen(struct mbox *mbox);

/* Takes all locks by the deadline (milliseconds, monotonic; 0: without waiting); restores what a
 * crash has left. errno is MBOX_LOCKED if somebody else holds one. */
int mbox_lock(struct mbox *mbox, int64_t deadline);

/* Gets ready to append len bytes behind the separators: checks the quota (0: none), makes the undo
 * link. The caller then writes the separators and its bytes. */
int mbox_begin(struct mbox *mbox, uint64_t len, uint64_t quota, const char *id);

/* Appends. */
int mbox_write(struct mbox *mbox, const char *bytes, size_t len);

/* Puts it on the disk, with its name. */
int mbox_sync(struct mbox *mbox);

/* The message stays. On failure of this it does so, too: the link is then found not to fit. */
void mbox_commit(struct mbox *mbox);

/* As it was before mbox_begin(). If somebody else has written to it, all stays that is there, with
 * what we have written: MBOX_CHANGED. On another failure undo link and lock file stay: the first
 * delivery when this process is gone then restores the mailbox, and until then nobody takes it for
 * whole. */
int mbox_rollback(struct mbox *mbox);

/* Lets the locks go; the file stays open, so that no other can be taken for it. */
void mbox_unlock(struct mbox *mbox);

/* Lets the locks go and closes. */
void mbox_close(struct mbox *mbox);

#endif
