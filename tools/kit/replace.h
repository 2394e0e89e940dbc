/*
 * replace: a file replaced atomically, so that a reader sees either the old or the new one,
 * complete.
 *
 * The new one is written beside it as FILE.tmp. Whatever goes wrong, this file is removed, also
 * after SIGINT, SIGTERM and SIGHUP; one that SIGKILL has left is removed by the next replacement.
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
 * Begins a new file. Its mode and group are those of the file that it replaces; if there is none,
 * 0640 and the group of the folder. Only its owner can write to it. A secret keeps its owner, too,
 * and only its owner and group can read it.
 * These functions return 0, or -1 with errno after they have removed the new file.
 */
int replace_begin(struct replace *replace, const char *path, bool secret);
int replace_write(struct replace *replace, const char *bytes, size_t len);
/* Writes it to the disk. After this nothing fails for lack of space. */
int replace_finish(struct replace *replace);
/* Puts it in its place. */
int replace_commit(struct replace *replace);
/* Removes the new file; the old one has not changed. Keeps errno. */
void replace_abandon(struct replace *replace);

#endif
