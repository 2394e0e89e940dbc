/*
 * source_options: the options of a line of mailslot-users(5).
 */
#ifndef MAILSLOT_SOURCE_OPTIONS_H
#define MAILSLOT_SOURCE_OPTIONS_H

#include "source.h"

enum { SOURCE_FILE_NAME_MAX = 200 }; /* so that names of lock files, which are longer, fit */

/* The line that is read, for messages. */
struct source_place {
    struct source *source;
    struct report *report;
    const char *file;
    unsigned line;
};

/* Reads options into the user, and reports errors. */
void source_read_options(const struct source_place *place, struct source_user *user,
                         struct slice rest);

/* Why can the name of a mailbox's file not end so? NULL: it can. */
const char *source_wrong_ending(struct slice name);

#endif
