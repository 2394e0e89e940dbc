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
    const char *user; /* to become; NULL: none was named */
    enum role role;   /* of sockets that have none of their own */
    struct {
        int fd;
        enum role role; /* ROLES: none of its own */
    } sockets[LISTEN_SOCKETS_MAX];
    int count;
    bool leave_when_idle; /* systemd listens on, and starts us again */
};

/* Opens a listening socket on `[ADDRESS:]PORT`; ADDRESS is numeric, an IPv6 one in brackets. Says
 * on stderr what is wrong. Returns 0, or the exit code to end with. */
int listen_open(struct listener *listener, const char *where);

/* Adds a socket that listens already. */
void listen_add(struct listener *listener, int fd, enum role role);

/* Serves until SIGTERM, SIGINT or SIGHUP, or until idle; then all sessions have ended. Returns the
 * exit code. */
int listen_run(const struct listener *listener);

#endif
