/*
 * listen: the listener: accepts, and forks a back for each connection.
 */
#ifndef MAILSLOT_LISTEN_H
#define MAILSLOT_LISTEN_H

#include "base/role.h"

#include <stdbool.h>

enum { LISTEN_SOCKETS_MAX = 16 };

struct listener {
    const char *database;
    const char *user; /* to become; NULL: none is given */
    enum role role;   /* of sockets without a role of their own */
    struct {
        int fd;
        enum role role; /* ROLES: none of its own */
    } sockets[LISTEN_SOCKETS_MAX];
    int count;
    bool leave_when_idle; /* systemd keeps listening, and starts us again */
};

/* Opens a listening socket on `[ADDRESS:]PORT`; ADDRESS is numeric, and in brackets if it is IPv6.
 * Reports errors on stderr. Returns 0, or the exit code. */
int listen_open(struct listener *listener, const char *where);

/* Adds a socket that is listening already. */
void listen_add(struct listener *listener, int fd, enum role role);

/* Serves until SIGTERM, SIGINT or SIGHUP, or until idle, and returns when all sessions have ended.
 * Returns the exit code. */
int listen_run(const struct listener *listener);

#endif
