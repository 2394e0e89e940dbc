/*
 * server: the user that sessions run as, and what it may do with a file. The kernel is asked, as
 * that user: so access lists, links and file systems mounted read-only count as they do for it.
 */
#ifndef MAILSLOT_SERVER_H
#define MAILSLOT_SERVER_H

#include "pool.h"

#include <stdbool.h>
#include <sys/types.h>

#define SERVER_USER "mailslot"

enum { SERVER_GROUPS_MAX = 64 };

struct server {
    bool exists;
    bool askable; /* we are root, or that user */
    uid_t uid;
    gid_t groups[SERVER_GROUPS_MAX]; /* its own the first */
    int groups_len;
};

void server_find(struct server *server);

/* Becomes that user, and itself again. Only if it is askable. */
void server_enter(const struct server *server);
void server_leave(const struct server *server);

/* May it do this (access(2): R_OK, W_OK, X_OK) with what is at the end of the path? If it is not
 * askable: true. If not: errno says why. */
bool server_may(const struct server *server, const char *path, int mode);

/*
 * The command that lets it do this, where it may not: for the first folder on the way that keeps it
 * out, if one does; secrets are opened to its group, nothing to everyone. In the pool.
 */
const char *server_grant(const struct server *server, struct pool *pool, const char *path,
                         int mode);

#endif
