/*
 * compile: writes mailslot.cdb(5) from a source.
 */
#ifndef MAILSLOT_COMPILE_H
#define MAILSLOT_COMPILE_H

#include "../kit/replace.h"
#include "source.h"

/* Writes a complete database beside path, seals it and syncs it to the disk; replace_commit() puts
 * it in place. 0, or -1 with errno, which writer_fail() explains. */
int compile_database(const struct source *source, const char *path, struct replace *replace);

enum compile_patched {
    COMPILE_PATCHED,
    COMPILE_FAILED,  /* errno says why */
    COMPILE_NO_BASE, /* there is no database that is complete and safe */
    COMPILE_NAMED,   /* an alias in it includes a user who is to be deleted */
};

/*
 * For a source with errors, from which no complete database can be made: copies the database at
 * path, but takes the users with these keys from the source. Everything else stays as it was, so
 * that a line with an error can neither refuse mail nor let anybody log in. If the line of such a
 * user has an error itself, only its credentials are taken, if they have none, and whether they are
 * locked.
 */
enum compile_patched compile_patch(const struct source *source, const char *path,
                                   const struct slice *keys, size_t keys_len,
                                   struct replace *replace);

#endif
