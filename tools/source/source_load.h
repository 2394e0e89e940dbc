/*
 * source_load: the three files read, and all of source's parts applied to them.
 */
#ifndef MAILSLOT_SOURCE_LOAD_H
#define MAILSLOT_SOURCE_LOAD_H

#include "source.h"

/*
 * Reads and checks all files of the folder. What is wrong is counted and reported; 0 as
 * long as the files could be read, -1 with errno and *file (the path) if `users` could not, or,
 * unless the report is tolerant, one of the others.
 * If users is not NULL it is taken for the text of `users` instead of the file: what would be if.
 * These bytes are not copied.
 */
int source_load(struct source *source, struct report *report, const char *folder,
                const struct slice *users, const char **file);
/* The same, but of the users only the one of this address is read, and what is wrong elsewhere may
 * not be found: to change one line of millions. */
int source_load_one(struct source *source, struct report *report, const char *folder,
                    const char *address, const char **file);

#endif
