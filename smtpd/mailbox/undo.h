/*
 * undo: the link MAILBOX.undo, which says how a mailbox was before an append that has not been
 * finished (mbox.h). Call with the mailbox locked. Functions return 0, or -1 with errno.
 */
#ifndef MAILSLOT_UNDO_H
#define MAILSLOT_UNDO_H

#include <sys/types.h>
#include <time.h>

/* Before an append: the mailbox open as fd, of this size, is to grow to end. */
int undo_make(int folder, const char *name, int fd, off_t size, off_t end, const char *id);
int undo_remove(int folder, const char *name);

/* What is being cut off. */
struct undo_cut {
    off_t from, to;
    const char *id; /* the message's: what the link says, printable or not */
};

/* By what a link is judged. */
struct undo_rules {
    uid_t server;  /* who delivers here */
    off_t longest; /* message with its trace; nothing longer is cut off */
    /* Called before anything is cut off, never without that. */
    void (*cutting)(const void *context, const struct undo_cut *cut);
    const void *context;
};

/*
 * Takes a torn message, if there is one, off the mailbox open as fd, and removes the link.
 * lock_made is when the stale lock file was made that is still there; NULL if there is none: then
 * another program has been at the mailbox since, and in doubt nothing is cut off. A link is
 * believed if it belongs to the server, who delivers here, or to somebody who can do as they like
 * with the mailbox anyway: its owner, or root. What belongs to a user that this name space does not
 * know may be anybody's, and is not believed. The mailbox may be changed by others at any moment.
 */
int undo_restore(int folder, const char *name, int fd, const struct undo_rules *rules,
                 const struct timespec *lock_made);

#endif
