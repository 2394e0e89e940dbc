/*
 * confine_back: confines the back before it reads the first message of a front.
 *
 * After both steps it can write only beneath the folders of mailboxes; read there, in the folders
 * of the database and of the files for TLS, and where the system keeps its libraries and its
 * configuration; it can run no program, open no sockets except local ones (for the log), and change
 * to no other user. What is forbidden fails with EACCES or EPERM. A kernel without Landlock
 * restricts the system calls only.
 */
#ifndef MAILSLOT_CONFINE_BACK_H
#define MAILSLOT_CONFINE_BACK_H

#include "../database/database.h"
#include "../database/settings.h"

/* The paths. folder: of the database. 0, or -1 with errno. */
int confine_back_paths(struct database *db, const struct settings *settings, const char *folder);

/* The system calls. Processes that are forked afterwards inherit this. 0, or -1 with errno. */
int confine_back_system_calls(void);

#endif
