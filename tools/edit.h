/*
 * edit: a change to the file `users`, made together with the database that follows from it.
 *
 * First the new text is checked: if anything is wrong with it, nothing has changed. Then it is
 * written and compiled, and both files are put in place. Meanwhile the caller holds the lock
 * (replace_lock()).
 */
#ifndef MAILSLOT_EDIT_H
#define MAILSLOT_EDIT_H

#include "source.h"

/* All return an exit code (usage.h) and have said what is wrong. */

/* Reads the folder's files, which must be without errors. */
int edit_load(struct source *source, const char *folder);

/* Checks this text in the place of `users`. With USAGE_WRONG the report has errors, and it is for
 * the caller to say that nothing was changed. changed is to be freed in any case. */
int edit_check(struct source *changed, const char *folder, struct slice users,
               struct report *report);

/* The same for the text of source, with `removed` bytes at offset `at` replaced by the text given,
 * and every other byte as it is. */
int edit_begin(struct source *changed, const char *folder, const struct source *source, size_t at,
               size_t removed, const char *inserted);

/* Puts in place what was checked. */
int edit_commit(const struct source *changed, const char *folder);

/* edit_begin() and edit_commit(). */
int edit_users(const struct source *source, const char *folder, size_t at, size_t removed,
               const char *inserted);

#endif
