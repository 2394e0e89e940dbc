/*
 * undo: the link MAILBOX.undo, which says how a mailbox was before an unfinished append (mbox.h).
 * Call with the mailbox locked. Functions return 0, or -1 with errno.
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
    const char *id; /* of the message, as the link has it: printable or not */
};

/* How to judge a link. */
struct undo_rules {
    uid_t server;  /* the user who delivers here */
    off_t longest; /* message with its trace; nothing longer is cut off */
    /* Called before something is cut off, and only then. */
    void (*cutting)(const void *context, const struct undo_cut *cut);
    const void *context;
};

/*
 * Cuts a torn message, if there is one, off the mailbox open as fd, and removes the link. lock_made
 * is the time of the stale lock file that is still there. NULL: there is none; then another program
 * may have used the mailbox since, and in doubt nothing is cut off. A link is believed if it
 * belongs to the server, or to a user who controls the mailbox anyway: its owner, or root. If it
 * belongs to a user that this name space does not know, it may be anybody's, and is not believed.
 * Others may change the mailbox at any moment.
 */
int undo_restore(int folder, const char *name, int fd, const struct undo_rules *rules,
                 const struct timespec *lock_made);

#endif
