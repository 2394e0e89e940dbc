/*
 * folders: the folders of mailboxes with absolute paths; outside mail-root, the server can write
 * only to these.
 */
#ifndef MAILSLOT_FOLDERS_H
#define MAILSLOT_FOLDERS_H

#include "source.h"

enum { FOLDERS_MAX = 64 };

/* The folder that a path is in. */
struct slice folders_parent(struct slice path);

/* Reports an error if there are too many. */
void folders_check(const struct source *source, struct report *report);

/*
 * Writes them, each on a line, without those below another one or below mail-root. If there are
 * more than FOLDERS_MAX, some of them are replaced by a common parent folder. The server can write
 * to everything below that, so it is as deep as possible, and never `/` or a folder in `/`.
 */
void folders_write(const struct source *source, FILE *to);

#endif
