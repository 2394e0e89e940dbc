/*
 * relay_file: relay.cdb (mailslot.cdb(5)), what mailslot-relay(8) reads, beside the database. It
 * exists only if there is a smarthost.
 */
#ifndef MAILSLOT_RELAY_FILE_H
#define MAILSLOT_RELAY_FILE_H

#include "../kit/replace.h"
#include "source.h"

#define RELAY_FILE_DATABASE "relay.cdb"
#define RELAY_FILE_GROUP "mailslot-relay"

struct relay_file {
    char *path;
    struct replace replace;
    bool is_wanted; /* there is a smarthost */
};

/*
 * Writes the file for this source beside `database`, and syncs it to the disk. As root, gives it to
 * the group mailslot-relay, if there is one, unless it has a group of its own already. 0, or -1
 * with errno, which writer_fail(file->path) explains. To be closed in any case.
 */
int relay_file_make(struct relay_file *file, const struct source *source, const char *database);

/* Puts it in its place; or removes the old one, if there is no smarthost. 0, or -1 with errno. */
int relay_file_commit(struct relay_file *file);
/* What was not put in its place is removed. Keeps errno. */
void relay_file_close(struct relay_file *file);

#endif
