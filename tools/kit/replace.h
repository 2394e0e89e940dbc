/*
 * replace: a file replaced by a new one at once, so that a reader has the old or the new one,
 * whole.
 *
 * The new one is written as FILE.tmp beside it. No such file stays, whatever goes wrong, SIGINT,
 * SIGTERM and SIGHUP included; one that SIGKILL has left is removed by the next replacement.
 * lock.h keeps two tools from doing this at the same time.
 */
#ifndef MAILSLOT_REPLACE_H
#define MAILSLOT_REPLACE_H

#include <stdbool.h>
#include <stddef.h>

struct replace {
    int fd; /* of the new file, for reading and writing */
    char *path;
    char *temporary;
};

/*
 * Begins a new file. Mode and group are those of the file that it replaces (if keep_owner the
 * owner, too), else 0640 and the group of the folder; never is it writable by others than its
 * owner. 0, or -1 with errno and nothing left behind; so for all of these.
 */
int replace_begin(struct replace *replace, const char *path, bool keep_owner);
int replace_write(struct replace *replace, const char *bytes, size_t len);
/* Brings what is written to the disk. After this nothing fails for want of space. */
int replace_finish(struct replace *replace);
/* Puts it in its place. */
int replace_commit(struct replace *replace);
/* Gives it up; the old file has not changed. errno is kept. */
void replace_abandon(struct replace *replace);

#endif
