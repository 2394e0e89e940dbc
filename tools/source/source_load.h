/*
 * source_load: reads the three files, and applies all parts of source to them.
 */
#ifndef MAILSLOT_SOURCE_LOAD_H
#define MAILSLOT_SOURCE_LOAD_H

#include "source.h"

/*
 * Reads and checks all files of the folder, and reports errors. 0 if the files could be read, even
 * if they have errors; -1 with errno and *file (the path) if `users` could not be read, or one of
 * the others, unless the report is tolerant. If `users` is not NULL, it is used as the text of that
 * file, to check a change before it is made. These bytes are not copied.
 */
int source_load(struct source *source, struct report *report, const char *folder,
                const struct slice *users, const char **file);
/* The same for only one user, that of this address, and without finding all errors elsewhere: to
 * change one line of millions. */
int source_load_one(struct source *source, struct report *report, const char *folder,
                    const char *address, const char **file);

#endif
