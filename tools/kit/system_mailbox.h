/*
 * system_mailbox: the mailbox of a user of this machine, as Debian Policy 11.6 requires: it belongs
 * to the user and the group mail, with mode 0660. The server is in that group.
 *
 * All functions that return an int return an exit code (message.h), after a message if it is not 0.
 */
#ifndef MAILSLOT_SYSTEM_MAILBOX_H
#define MAILSLOT_SYSTEM_MAILBOX_H

#include "../../smtpd/base/slice.h"
#include "pool.h"

#include <signal.h>
#include <sys/types.h>

#define SYSTEM_MAILBOX_FOLDER "/var/mail"

struct system_mailbox {
    char *user, *path;
    struct pool pool;
    uid_t uid;
    gid_t gid;
    int fd; /* of a file that was created; -1: none */
    bool begun;
    sigset_t signals; /* the mask to restore */
};

/* Finds the user; EXIT_ABSENT if there is none, EXIT_WRONG if we are not root. */
int system_mailbox_find(struct system_mailbox *mailbox, struct slice user);

/*
 * Creates the file; or checks one that exists, which is never changed. No symbolic link is
 * followed. Until system_mailbox_end(), which must follow in any case, no other user can open a
 * file that was created, and signals are blocked.
 */
int system_mailbox_begin(struct system_mailbox *mailbox, struct slice path);

/* The command that gives a file that owner and mode, in the pool. */
const char *system_mailbox_remedy(struct pool *pool, const char *path, const char *user, uid_t uid);

/* Gives a file that was created its mode, or removes it if it is not to be kept. Frees everything.
 */
int system_mailbox_end(struct system_mailbox *mailbox, bool keep);

#endif
