/*
 * undo: the link MAILBOX.undo, which says how a mailbox was before an append that has not been
 * finished (mbox.h). Call with the mailbox locked. Functions return 0, or -1 with errno.
 */
#ifndef MAILSLOT_UNDO_H
#define MAILSLOT_UNDO_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* Before an append: the mailbox open as fd, of this size, is to grow to end. */
int undo_make(int folder, const char *name, int fd, off_t size, off_t end, const char *id);
int undo_remove(int folder, const char *name);

/*
 * Takes a torn message, if there is one, off the mailbox open as fd, and removes the link.
 * lock_made is when the stale lock file was made that is still there; NULL if there is none: then
 * another program has been at the mailbox since, and in doubt nothing is cut off. A link is
 * believed if it is server's, who delivers here, or of one who can do as he likes with the mailbox
 * anyway. *restored is set if the mailbox was made shorter.
 */
int undo_restore(int folder, const char *name, int fd, uid_t server,
                 const struct timespec *lock_made, bool *restored);

#endif
