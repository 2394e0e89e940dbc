/*
 * relay_listen: listens on a UNIX-domain socket, and forks a process for each connection.
 */
#ifndef MAILSLOT_RELAY_LISTEN_H
#define MAILSLOT_RELAY_LISTEN_H

#include "relay.h"

/* Makes the socket: mode 0660, group of its folder. One that nobody listens on any longer is
 * replaced. Returns its descriptor, or -1 with *code set to the exit code, after a message on
 * stderr. */
int relay_listen_open(const char *path, int *code);

/* Serves until SIGTERM, SIGINT or SIGHUP; then removes the socket, and returns when all sessions
 * have ended. start->client is set for each. Returns the exit code. */
int relay_listen_run(int fd, const char *path, const struct relay_start *start);

#endif
