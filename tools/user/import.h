/*
 * import: what mailslot-user(8) takes from lists of users of other programs, up to the text of
 * `users` that would come of it.
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
    bool wrong;                     /* and reported */
    bool skipped;                   /* and counted */
    const struct source_user *user; /* who exists already, NULL: none */
    size_t composed;                /* its line in the text */
};

struct import {
    struct user_job *job; /* its source: before the import */
    struct text_file *texts;
    size_t texts_len;
    struct import_user *users;
    size_t users_len, users_room;
    struct map map; /* of keys */
    struct pool pool;
    struct report report, mail;   /* mail: of mailboxes that are not empty */
    size_t wrong;                 /* how many */
    size_t system, unknown, same; /* users that are skipped, and why */
    size_t added, replaced;       /* by the text last composed */
    char *text;                   /* of `users`; free() it */
    size_t text_len;
};

/* Reads all files, before the lock is taken: standard input may take its time. An exit code. */
int import_open(struct import *import);

/* Takes the lines apart; what is wrong with them is in the report. */
void import_read(struct import *import);

/* Composes the text, without users who are wrong or skipped, and notes in the report where its
 * lines come from. */
void import_compose(struct import *import);

/* Marks users whose lines the report has been told to be wrong. */
void import_mark(struct import *import);

void import_free(struct import *import);

#endif
