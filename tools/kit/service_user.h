/*
 * service_user: the user that sessions run as, and what it may do with a file. The kernel is asked
 * as that user, so that access lists, links and read-only file systems count as they do for it.
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
    bool testable; /* we are root or that user, so that we can ask the kernel */
    uid_t uid;
    gid_t groups[SERVICE_USER_GROUPS_MAX]; /* its primary group first */
    int groups_len;
};

void service_user_find(struct service_user *user);

/* Becomes that user, and itself again. Only if it is testable. */
void service_user_enter(const struct service_user *user);
void service_user_leave(const struct service_user *user);

/* May it do this (access(2): R_OK, W_OK, X_OK) with what the path leads to? If not, errno says why.
 * True if it is not testable. */
bool service_user_may(const struct service_user *user, const char *path, int mode);

/*
 * The command that permits this, in the pool. If a folder above keeps it out, the command is for
 * the first such folder. Secrets are opened to the user's group, nothing to everyone.
 */
const char *service_user_grant(const struct service_user *user, struct pool *pool, const char *path,
                               int mode);

#endif
