/*
 * sums: which of the three files have changed since the database was built: its record `texts` has
 * the length and the checksum of each.
 */
#ifndef MAILSLOT_SUMS_H
#define MAILSLOT_SUMS_H

#include "source.h"

/* Writes the record. */
void sums_write(const struct source *source, FILE *to);

/* The path, allocated, of a file of the folder that is not as it was when the database was built;
 * NULL if there is none that can be read, or the database has no such record. */
char *sums_changed(const char *folder, struct database *db);

#endif
