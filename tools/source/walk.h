/*
 * walk: goes through the records of a database, and checks the whole file on the way.
 */
#ifndef MAILSLOT_WALK_H
#define MAILSLOT_WALK_H

#include "../../smtpd/base/slice.h"
#include "../../smtpd/database/database.h"

enum walk_kind { WALK_DOMAIN, WALK_USER, WALK_ALIAS, WALK_CREDENTIAL, WALK_KINDS };

struct walk {
    struct database *db;
    uint64_t at;
    size_t mark;
    enum walk_kind kind; /* of the present record, as name and value */
    struct slice name, value;
};

void walk_begin(struct walk *walk, struct database *db);

/* The beginning of the key of such a record. */
const char *walk_kind(enum walk_kind kind);

/* Goes to the next record, and frees what was found since the one before. 1, 0 at the end, or -1 if
 * the database is damaged. */
int walk_next(struct walk *walk);

#endif
