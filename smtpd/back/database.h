/*
 * database: mailslot.cdb opened, checked and asked.
 *
 * A constant database (CDB) with a seal behind it: a checksum for each of the 256 hash tables, over
 * the table and all records in it. A look-up checks the seal of the one table that it touches,
 * once, so that a damaged file is never mistaken for one that lacks the key: "no such user" is an
 * answer only an undamaged database gives. Other CDB readers never look behind the tables and see
 * nothing of it. The format is described in mailslot.cdb(5).
 */
#ifndef MAILSLOT_DATABASE_H
#define MAILSLOT_DATABASE_H

#include "../slice.h"

#include <cdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum database_state {
    DATABASE_OPEN,
    DATABASE_MISSING, /* cannot be opened or mapped: errno says why */
    DATABASE_UNSAFE,  /* not a regular file of root's or ours, or others can write to it */
    DATABASE_DAMAGED, /* not what mailslot-build has written */
};

struct database {
    enum database_state state;
    struct cdb cdb;
    uint64_t checked[4]; /* a bit for each hash table whose seal was found whole */
};

/* Opens the file and says how it went; also kept as db->state. Look-ups in a database that did not
 * open say "damaged". The file is mapped: it is replaced by rename(2), never written in place. */
enum database_state database_open(struct database *db, const char *path);
void database_close(struct database *db);

/*
 * Looks the key `KIND:NAME` up, or KIND alone where name is NULL. Returns 1 with the value (valid
 * until database_close()), 0 if there is none, -1 if the database is damaged or not open.
 */
int database_find(struct database *db, const char *kind, const char *name, size_t name_len,
                  struct slice *value);

/* A checksum, to notice damage and change: whoever can write the file needs no trick. */
uint64_t database_sum(const void *bytes, size_t len);

/* Appends the seal to a finished CDB (fd open for reading and writing). 0, or -1 with errno. */
int database_seal(int fd);

#endif
