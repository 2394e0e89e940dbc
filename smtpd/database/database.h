/*
 * database: opens, checks and queries mailslot.cdb.
 *
 * A constant database (CDB) with a seal after it (seal.h). A look-up reads only the blocks that it
 * needs, into memory of our own, and checks each: what it costs does not grow with the number of
 * users. A damaged file is never mistaken for one that lacks the key: only intact blocks can answer
 * "no such user". The file is not mapped, so neither cutting it short nor writing to it in place
 * can change an answer or end the process: such a block no longer fits the seal that was read when
 * the file was opened.
 */
#ifndef MAILSLOT_DATABASE_H
#define MAILSLOT_DATABASE_H

#include "../base/slice.h"
#include "seal.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum database_state {
    DATABASE_OPEN,
    DATABASE_MISSING, /* cannot be opened: db->error says why */
    DATABASE_UNSAFE,  /* not a regular file of root's or ours, or others can write to it */
    DATABASE_DAMAGED, /* not what mailslot-build has written */
    DATABASE_OLD,     /* what an older mailslot-build has written */
    DATABASE_CHANGED, /* written to in place since it was opened */
    DATABASE_FAILED,  /* cannot be read: db->error says why */
};

enum { DATABASE_FRAMES = 8 };

struct database {
    enum database_state state;
    int error; /* errno; 0 if nothing failed */
    int fd;
    struct seal seal;
    off_t file_size;
    struct timespec modified;
    unsigned char *memory; /* the frames, then the values that were found; no fork has it */
    uint64_t held[DATABASE_FRAMES]; /* the number of the block in each frame, plus 1 */
    unsigned turn;                  /* the frame to be used next */
    size_t used, ready;             /* bytes of memory */
};

/* Opens the file and returns how it went; also kept as db->state. Look-ups in a database that did
 * not open fail. */
enum database_state database_open(struct database *db, const char *path);
void database_close(struct database *db);

/* What is wrong, to follow the file's name in a message; NULL for DATABASE_OPEN. */
const char *database_problem(enum database_state state);

enum { DATABASE_KEY_MAX = 600 };

/* Writes the key `KIND:NAME`, or KIND alone where name is {0}. Its length, or 0: it is too long. */
size_t database_key(const char *kind, struct slice name, char key[DATABASE_KEY_MAX]);

/*
 * Looks the key of this kind and name up (database_key()). Returns 1 with the value (valid
 * until database_close() or database_rewind()), 0 if there is no such key, -1 if the database is
 * damaged or not open: db->state has what is wrong then.
 */
int database_find(struct database *db, const char *kind, struct slice name, struct slice *value);

/* Reads the record at *at, 0 for the first one, and moves *at on. Returns 1; 0 if there are no
 * more records and the rest of the file is intact, too; -1 as above. */
int database_next(struct database *db, uint64_t *at, struct slice *key, struct slice *value);

/* database_rewind() ends the life of the values that were found since database_mark(). */
size_t database_mark(const struct database *db);
void database_rewind(struct database *db, size_t mark);

#endif
