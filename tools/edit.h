/*
 * edit: a change to the file `users`, made together with the database that follows from it.
 */
#ifndef MAILSLOT_EDIT_H
#define MAILSLOT_EDIT_H

#include "source.h"

/* All return an exit code (usage.h) and have said what is wrong. */

/* Reads the folder's files, which must be without errors. */
int edit_load(struct source *source, const char *folder);

/*
 * Replaces `removed` bytes at offset `at` of the text of `users` by the text given. Every other
 * byte stays. The new text is checked and compiled before either file is put in place: if anything
 * is wrong with it, nothing has changed. The caller holds the lock (replace_lock()).
 */
int edit_users(const struct source *source, const char *folder, size_t at, size_t removed,
               const char *inserted);

#endif
