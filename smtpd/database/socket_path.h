/*
 * socket_path: the path of another server's UNIX-domain socket, as it stands in mailslot.conf(5),
 * mailslot-users(5) and mailslot-aliases(5). Pure.
 */
#ifndef MAILSLOT_SOCKET_PATH_H
#define MAILSLOT_SOCKET_PATH_H

#include "../base/slice.h"

#include <stdbool.h>

/* The most bytes of such a path: what fits into a struct sockaddr_un, less a NUL. */
enum { SOCKET_PATH_MAX = 107 };

/* What is wrong with the path, as a static string; NULL: nothing. It may still not exist. */
const char *socket_path_wrong(struct slice path);

/* Is it `lmtp:PATH`, the mail store at this socket? The path is not checked. */
bool socket_path_of_store(struct slice text, struct slice *path);

#endif
