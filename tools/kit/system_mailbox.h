/*
 * system_mailbox: the mailbox of a user of this machine, as Debian Policy 11.6 wants it: the user's
 * own, of group mail, mode 0660. So the server, which is in that group, needs no more rights.
 *
 * All functions that return an int return an exit code (message.h), and have said what is wrong.
 */
#ifndef MAILSLOT_SYSTEM_MAILBOX_H
#define MAILSLOT_SYSTEM_MAILBOX_H

#include "pool.h"
#include "text_file.h"

#include <signal.h>
#include <sys/types.h>

/* Where they are. */
#define SYSTEM_MAILBOX_FOLDER "/var/mail"

struct system_mailbox {
    char *user, *path;
    struct pool pool;
    uid_t uid;
    gid_t gid;
    int fd; /* of a file that was made, -1: none */
    bool begun;
    sigset_t signals; /* that were held off before */
};

/* Finds the user: EXIT_ABSENT if there is none. Whoever is not root is told so. */
int system_mailbox_find(struct system_mailbox *mailbox, struct slice user);

/*
 * Makes the file, or looks whether the one that is there is as it should be; that one is never
 * changed. No symbolic link is followed on the way. Until system_mailbox_end(), which is to follow
 * in any case, no other user can open a file that was made, and no signal interrupts.
 */
int system_mailbox_begin(struct system_mailbox *mailbox, struct slice path);

/* What root can type to make it one, in the pool. */
const char *system_mailbox_remedy(struct pool *pool, const char *path, const char *user, uid_t uid);

/* Opens a file that was made to its user, or takes it away again. Frees all. */
int system_mailbox_end(struct system_mailbox *mailbox, bool keep);

#endif
