/*
 * folders: which folders the mailboxes with absolute paths are in; the server writes to no others.
 */
#ifndef MAILSLOT_FOLDERS_H
#define MAILSLOT_FOLDERS_H

#include "source.h"

enum { FOLDERS_MAX = 64 };

/* The folder that something is in. */
struct slice folders_parent(struct slice path);

/* Are there too many? That is an error. */
void folders_check(const struct source *source, struct report *report);

/*
 * Writes them, each on a line; none that is beneath another one or beneath mail-root. If they are
 * more than FOLDERS_MAX, folders that have several of them stand for these: the smallest that do,
 * and never `/` or a folder in it, because the server may write to all that is beneath.
 */
void folders_write(const struct source *source, FILE *to);

#endif
