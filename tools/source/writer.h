/*
 * writer: writes the records of a mailslot.cdb(5).
 */
#ifndef MAILSLOT_WRITER_H
#define MAILSLOT_WRITER_H

#include "../kit/replace.h"
#include "source.h"

#include <cdb.h>
#include <time.h>

/* A database that is being written. The value of a record is put together in a stream that is
 * reused. */
struct writer {
    struct cdb_make cdb;
    FILE *value;
    char *bytes;
    size_t bytes_len;
    char *record; /* of a user, as it is put together */
    size_t record_len, record_room;
    uint64_t size; /* of the finished file */
    size_t records, records_total;
    time_t start;
    bool shown;
};

/* All return 0, or -1 with errno; EOVERFLOW: it would be larger than a CDB can be (4 GiB). */

/* Is there room for these users? It is checked before anything is written. */
int writer_check_size(const struct source *source);

/* Begins a database beside path. */
int writer_begin(struct writer *out, const char *path, struct replace *replace);

/* Adds KIND:NAME, or KIND where name.at is NULL, with what was written to out->value. */
int writer_put(struct writer *out, const char *kind, struct slice name);

/* A line in the record of a locked user, for mailslot-show. */
#define WRITER_LOCKED "locked=yes"

/* The two records of a user: one for delivery, and one for logging in, if the user can. aliased:
 * there is an alias of the same name. */
int writer_put_user(struct writer *out, const struct source_user *user, bool aliased);
int writer_put_credential(struct writer *out, const struct source_user *user);

/* Seals the database and syncs it to the disk; replace_commit() puts it in place. If `result`, that
 * of the calls before, is not 0, it abandons the database instead. Returns 0, or -1. */
int writer_finish(struct writer *out, struct replace *replace, int result);

/* Prints why the database could not be written, from errno. Returns an exit code. */
int writer_fail(const char *path);

/* Is the database so large that it may soon exceed the limit? */
bool writer_is_large(uint64_t size);

#endif
