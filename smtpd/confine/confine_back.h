/*
 * confine_back: confines the back before it reads the first message of a front.
 *
 * After all steps it can write only beneath the folders of mailboxes; read there, in the folders
 * of the database and of the files for TLS, and where the system keeps its libraries and its
 * configuration; it can run no program, open no sockets except local ones, connect to none of the
 * internet, and change to no other user. What is forbidden fails with EACCES or EPERM. A kernel
 * without Landlock restricts the system calls only; from version 9 on, Landlock also restricts
 * which local sockets it can connect to.
 */
#ifndef MAILSLOT_CONFINE_BACK_H
#define MAILSLOT_CONFINE_BACK_H

#include "../database/database.h"
#include "../database/settings.h"

/* connect(2) is allowed only with an address shorter than this, the size of struct sockaddr_in. The
 * kernel refuses shorter addresses of the internet, so the call can reach local sockets with short
 * names, and disconnect, but nothing else. */
enum { CONFINE_BACK_ADDRESS = 16 };

/* What a session is for, and may therefore need. */
struct confine_back {
    struct database *db;
    const struct settings *settings;
    enum role role;
    const char *folder; /* of the database */
};

/* The paths. 0, or -1 with errno. */
int confine_back_paths(const struct confine_back *session);

/* No connections at all if the database names no other server or filter. Without Landlock's rules
 * the back could connect to every local socket that is open to its user. 0, or -1 with errno. */
int confine_back_connections(const struct confine_back *session);

/* The system calls. Processes that are forked afterwards inherit this. 0, or -1 with errno. */
int confine_back_system_calls(void);

#endif
