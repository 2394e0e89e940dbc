/*
 * fence: shuts the back in, before it hears the first word of the front.
 *
 * Afterwards it can write beneath the folders of mailboxes alone; read there, in the folders of the
 * database and of what TLS needs, and where the system keeps its libraries and its configuration;
 * and run no program, open no socket but a local one (for the log), change no user. What is
 * forbidden fails with EACCES or EPERM. A kernel without Landlock keeps only the second half.
 */
#ifndef MAILSLOT_FENCE_H
#define MAILSLOT_FENCE_H

#include "../settings.h"
#include "database.h"

/* folder: that the database is in. 0, or -1 with errno. */
int fence_raise(struct database *db, const struct settings *settings, const char *folder);

#endif
