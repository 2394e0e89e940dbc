/*
 * walk: all records of a database, one after the other. All of the file is checked on the way.
 */
#ifndef MAILSLOT_WALK_H
#define MAILSLOT_WALK_H

#include "../../smtpd/database/database.h"
#include "../kit/text_file.h"

enum walk_kind { WALK_DOMAIN, WALK_USER, WALK_ALIAS, WALK_CREDENTIAL, WALK_KINDS };

struct walk {
    struct database *db;
    uint64_t at;
    size_t mark;
    enum walk_kind kind; /* of the record that was taken, with name and value */
    struct slice name, value;
};

void walk_begin(struct walk *walk, struct database *db);

/* The kind as keys begin with it. */
const char *walk_kind(enum walk_kind kind);

/* Takes the next one, and forgets what was found since the one before. 1, 0 if there is no more, -1
 * if the database is damaged. */
int walk_next(struct walk *walk);

#endif
