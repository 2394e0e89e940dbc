/*
 * records: all records of a database, one after the other. All of the file is checked on the way.
 */
#ifndef MAILSLOT_RECORDS_H
#define MAILSLOT_RECORDS_H

#include "../../smtpd/database/database.h"
#include "../kit/text.h"

enum records_kind {
    RECORDS_DOMAIN,
    RECORDS_USER,
    RECORDS_ALIAS,
    RECORDS_CREDENTIAL,
    RECORDS_KINDS
};

struct records {
    struct database *db;
    uint64_t at;
    size_t mark;
    enum records_kind kind; /* of the record that was taken, with name and value */
    struct slice name, value;
};

void records_begin(struct records *records, struct database *db);

/* The kind as it stands in keys. */
const char *records_kind(enum records_kind kind);

/* Takes the next one, and forgets what was found since the one before. 1, 0 if there is no more, -1
 * if the database is damaged. */
int records_next(struct records *records);

#endif
