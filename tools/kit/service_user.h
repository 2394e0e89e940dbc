/*
 * service_user: the user that sessions run as, and what it may do with a file. The kernel is asked
 * as that user, so that access control lists, links and read-only file systems are considered.
 */
#ifndef MAILSLOT_SERVICE_USER_H
#define MAILSLOT_SERVICE_USER_H

#include "pool.h"

#include <stdbool.h>
#include <sys/types.h>

#define SERVICE_USER "mailslot"

enum { SERVICE_USER_GROUPS_MAX = 64 };

struct service_user {
    bool exists;
    bool testable; /* this process runs as root or as that user, so it can ask the kernel */
    uid_t uid;
    gid_t groups[SERVICE_USER_GROUPS_MAX]; /* its primary group first */
    int groups_len;
};

void service_user_find(struct service_user *user);

/* Becomes that user, and itself again. Only if it is testable. */
void service_user_enter(const struct service_user *user);
void service_user_leave(const struct service_user *user);

/* Does it have this access (R_OK, W_OK, X_OK of access(2)) to the file? If not, errno says why.
 * True if it is not testable. */
bool service_user_may(const struct service_user *user, const char *path, int mode);

/*
 * The command that grants this access, in the pool. If the user may not search a folder above, the
 * command is for the first such folder. No access is ever granted to everyone.
 */
const char *service_user_grant(const struct service_user *user, struct pool *pool, const char *path,
                               int mode);

#endif
