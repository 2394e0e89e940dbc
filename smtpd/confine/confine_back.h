/*
 * confine_back: shuts the back in, before it hears the first word of the front.
 *
 * Behind both halves it can write beneath the folders of mailboxes alone; read there, in the
 * folders of the database and of what TLS needs, and where the system keeps its libraries and its
 * configuration; and run no program, open no socket but a local one (for the log), change no user.
 * What is forbidden fails with EACCES or EPERM. A kernel without Landlock keeps only the second
 * half.
 */
#ifndef MAILSLOT_CONFINE_BACK_H
#define MAILSLOT_CONFINE_BACK_H

#include "../database/database.h"
#include "../database/settings.h"

/* The first half. folder: that the database is in. 0, or -1 with errno. */
int confine_back_paths(struct database *db, const struct settings *settings, const char *folder);

/* The second half, which all that are forked afterwards have from the start. 0, or -1 with errno.
 */
int confine_back_system_calls(void);

#endif
