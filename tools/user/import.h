/*
 * import: reads other programs' lists of users for mailslot-user(8), and composes the text of
 * `users` that results.
 */
#ifndef MAILSLOT_IMPORT_H
#define MAILSLOT_IMPORT_H

#include "../source/source.h"
#include "account.h"
#include "user.h"

/* One user, of one line, or of one of passwd and one of shadow. */
struct import_user {
    const char *file;
    unsigned line;
    struct slice key;
    struct account account;
    bool passwd, shadow;            /* there is such a line */
    bool wrong;                     /* it has an error, which was reported */
    bool skipped;                   /* it is not imported, and was counted */
    const struct source_user *user; /* the user who already exists; NULL: none */
    size_t composed;                /* the number of its line in the text */
};

struct import {
    struct user_job *job; /* its source: before the import */
    struct text_file *texts;
    size_t texts_len;
    struct import_user *users;
    size_t users_len, users_room;
    struct map map; /* of keys */
    struct pool pool;
    struct report report, mail;   /* mail: about mailboxes that are not empty */
    size_t wrong;                 /* lines with errors */
    size_t system, unknown, same; /* users that are skipped, by reason */
    size_t added, replaced;       /* in the text composed last */
    char *text;                   /* of `users`; free() it */
    size_t text_len;
};

/* Reads all files. This is done before the lock is taken, because standard input may take long.
 * Returns an exit code. */
int import_open(struct import *import);

/* Parses the lines, and reports their errors. */
void import_read(struct import *import);

/* Composes the text without the lines that are wrong or skipped, and notes in the report where each
 * line comes from. */
void import_compose(struct import *import);

/* Marks users for whose lines an error was reported. */
void import_mark(struct import *import);

void import_free(struct import *import);

#endif
