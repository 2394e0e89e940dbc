/*
 * edit: changes the file `users` and the database together.
 *
 * First the new text is checked. If it has an error that the old text did not have, the change is
 * refused; older errors are only warnings. Then the text is written and compiled, and both files
 * are replaced. If there are older errors, no database can be built from the whole text, and only
 * this change is made in the present one (compile_patch()). The caller holds the lock
 * (lock_folder()).
 */
#ifndef MAILSLOT_EDIT_H
#define MAILSLOT_EDIT_H

#include "../source/source.h"

/* All return an exit code (message.h) after they have reported errors. */

/* Why the files are read: to print them, for a change, or for a change that must be possible even
 * if mailslot.conf or aliases cannot be read. */
enum edit_purpose { EDIT_READ, EDIT_CHANGE, EDIT_LOCK };

/* Reads the folder's files. Their errors are kept in the source. With EDIT_READ they are reported
 * as warnings; otherwise edit_check() does that. */
int edit_load(struct source *source, const char *folder, enum edit_purpose purpose);

/* The same for a change of one user: reads that one alone (source_load_one()). */
int edit_load_one(struct source *source, const char *folder, enum edit_purpose purpose,
                  const char *address);

/* Checks a new text of `users`; source is the state before. With EXIT_WRONG the report has new
 * errors, and the caller reports that nothing was changed. `changed` is to be freed in any case. */
int edit_check(struct source *changed, const char *folder, struct source *source,
               struct slice users, struct report *report);

/* The same for the text of source with `removed` bytes at offset `at` replaced by `inserted`. */
int edit_begin(struct source *changed, const char *folder, struct source *source, size_t at,
               size_t removed, const char *inserted);

/* Replaces the files by what was checked: a change of the users with these keys. */
int edit_commit(const struct source *changed, const char *folder, const struct slice *keys,
                size_t keys_len);

/* edit_begin() and edit_commit() for one user. */
int edit_one_user(struct source *source, const char *folder, struct slice key, size_t at,
                  size_t removed, const char *inserted);

#endif
