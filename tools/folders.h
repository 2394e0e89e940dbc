/*
 * folders: which folders the mailboxes with absolute paths are in; the server writes to no others.
 */
#ifndef MAILSLOT_FOLDERS_H
#define MAILSLOT_FOLDERS_H

#include "source.h"

enum { FOLDERS_MAX = 64 };

/* Writes them, each on a line. If they are more than FOLDERS_MAX, those that these are in stand for
 * them, and so on. */
void folders_write(const struct source *source, FILE *to);

/* The folder that a mailbox is in. */
struct slice folders_parent(struct slice path);

#endif
