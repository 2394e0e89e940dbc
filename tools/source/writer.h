/*
 * writer: the records of a mailslot.cdb(5) as they are written.
 */
#ifndef MAILSLOT_WRITER_H
#define MAILSLOT_WRITER_H

#include "../kit/replace.h"
#include "source.h"

#include <cdb.h>
#include <time.h>

/* The database as it grows. The value of a record is put together in a stream that is reused. */
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

/* Is there room for these users at all? */
int writer_check_size(const struct source *source);

/* Begins a database beside path. */
int writer_begin(struct writer *out, const char *path, struct replace *replace);

/* Adds KIND:NAME, or KIND where name.at is NULL, with what was written to out->value. */
int writer_put(struct writer *out, const char *kind, struct slice name);

/* A line in the record of a locked user, for mailslot-show. */
#define WRITER_LOCKED "locked=yes"

/* The records of a user: what is delivered by, and what the user logs in with, if anything.
 * aliased: there is an alias of the same name. */
int writer_put_user(struct writer *out, const struct source_user *user, bool aliased);
int writer_put_credential(struct writer *out, const struct source_user *user);

/* Seals it and brings it to the disk, to be put in place by replace_commit(). If result, of what
 * was put, is not 0: gives it up. Returns result, or -1. */
int writer_finish(struct writer *out, struct replace *replace, int result);

/* Prints why there is no database, from errno. Returns an exit code. */
int writer_fail(const char *path);

/* Is it time to think of what to do before a database is too large? */
bool writer_is_large(uint64_t size);

#endif
