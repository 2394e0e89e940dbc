/*
 * check_socket: connects to the UNIX-domain sockets of other servers as a session does, and says
 * what to do if that fails.
 */
#ifndef MAILSLOT_CHECK_SOCKET_H
#define MAILSLOT_CHECK_SOCKET_H

#include "check.h"

/* The socket of mailslot-relay(8). */
#define CHECK_RELAY_PATH "/run/mailslot/relay"

/* Connects as the service's user, with the groups of the units. The descriptor; or -1, which is
 * reported with this mark. */
int check_connect(struct check *check, enum check_mark mark, const char *subject, const char *path);

/* How to find out which program listens there, and what is wrong with it. In the pool. */
const char *check_who_listens(struct check *check, const char *path);

#endif
