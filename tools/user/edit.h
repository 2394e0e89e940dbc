/*
 * edit: a change to the file `users`, made together with the database that follows from it.
 *
 * First the new text is checked. A change is judged by the state that it leads to: an error that
 * was not there before refuses it, and nothing has changed; older ones are warnings. Then the text
 * is written and compiled, and both files are put in place. With older errors there is no database
 * of the whole text: then the one in force gets this change alone (compile_patch()). Meanwhile the
 * caller holds the lock (lock_folder()).
 */
#ifndef MAILSLOT_EDIT_H
#define MAILSLOT_EDIT_H

#include "../source/source.h"

/* All return an exit code (message.h) and have reported what is wrong. */

/* Why the files are read: to print what is in them, for a change, or for a change that must be
 * possible even if mailslot.conf or aliases cannot be read. */
enum edit_purpose { EDIT_READ, EDIT_CHANGE, EDIT_LOCK };

/* Reads the folder's files. Their errors are kept in the source; with EDIT_READ they are reported
 * as warnings, otherwise the change will tell. */
int edit_load(struct source *source, const char *folder, enum edit_purpose purpose);

/* The same for a change of one user: reads that one alone (source_load_one()). */
int edit_load_one(struct source *source, const char *folder, enum edit_purpose purpose,
                  const char *address);

/* Checks this text in the place of `users`, of which source is the state before. With EXIT_WRONG
 * the report has new errors, and it is for the caller to say that nothing was changed. changed is
 * to be freed in any case. */
int edit_check(struct source *changed, const char *folder, struct source *source,
               struct slice users, struct report *report);

/* The same for the text of source, with `removed` bytes at offset `at` replaced by the text given,
 * and every other byte as it is. */
int edit_begin(struct source *changed, const char *folder, struct source *source, size_t at,
               size_t removed, const char *inserted);

/* Puts in place what was checked: a change of the users of these keys. */
int edit_commit(const struct source *changed, const char *folder, const struct slice *keys,
                size_t keys_len);

/* edit_begin() and edit_commit() for one user. */
int edit_one_user(struct source *source, const char *folder, struct slice key, size_t at,
                  size_t removed, const char *inserted);

#endif
