/*
 * compile: mailslot.cdb(5) written from what source has read.
 */
#ifndef MAILSLOT_COMPILE_H
#define MAILSLOT_COMPILE_H

#include "../kit/replace.h"
#include "source.h"

/* Writes the whole database beside path, sealed and on the disk, to be put in place by
 * replace_commit(). 0, or -1 with errno; writer_fail() explains it. */
int compile_database(const struct source *source, const char *path, struct replace *replace);

enum compile_patched {
    COMPILE_PATCHED,
    COMPILE_FAILED,  /* errno says why */
    COMPILE_NO_BASE, /* there is no database that is whole and safe */
    COMPILE_NAMED,   /* an alias in it leads to a user who is to be deleted */
};

/*
 * For a source with errors, of which no database can be made: writes the one at path once more, but
 * with the users of these keys as they are in the source. All else in it stays as it was in force,
 * so that no line that is not understood can refuse mail or let anybody in. If the line of such a
 * user is wrong itself, only what is certain of it is taken: the credentials, or that they are
 * locked.
 */
enum compile_patched compile_patch(const struct source *source, const char *path,
                                   const struct slice *keys, size_t keys_len,
                                   struct replace *replace);

#endif
