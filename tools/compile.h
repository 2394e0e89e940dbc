/*
 * compile: mailslot.cdb(5) written from what source has read.
 */
#ifndef MAILSLOT_COMPILE_H
#define MAILSLOT_COMPILE_H

#include "replace.h"
#include "source.h"

/* Writes the whole database beside path, sealed and on the disk, to be put in place by
 * replace_commit(). 0, or -1 with errno; EFBIG: it would be larger than a CDB can be (4 GiB). */
int compile_database(const struct source *source, const char *path, struct replace *replace);

#endif
