/*
 * sums: which of the three files have changed since the database was built. Its record `texts`
 * contains the length and the checksum of each.
 */
#ifndef MAILSLOT_SUMS_H
#define MAILSLOT_SUMS_H

#include "source.h"

/* Writes the record. */
void sums_write(const struct source *source, FILE *to);

/* The path, allocated, of a file in the folder that has changed since the database was built. NULL
 * if there is none, it cannot be read, or the database has no such record. */
char *sums_changed(const char *folder, struct database *db);

#endif
