/*
 * remedy: commands for root to type that cannot be turned against another file.
 *
 * chmod(1) follows a link, and a user can put a link in place of a file of theirs between our look
 * and what root types. So a mode is changed as the file's owner where that owner could do this; and
 * where a user can change the way to the file, root is asked to change nothing.
 */
#ifndef MAILSLOT_REMEDY_H
#define MAILSLOT_REMEDY_H

#include "pool.h"
#include "strangers.h"

#include <sys/stat.h>

/* In front of a command, so that it runs as this user: "runuser -u NAME -- ", or "" for root. */
const char *remedy_as(struct pool *pool, uid_t uid);

/* `chmod MODE PATH`, as that owner unless only root can replace what stands there. */
const char *remedy_mode(struct pool *pool, const char *path, uid_t owner, const char *mode);

/* The same for a file that was looked at. Links are resolved now; if a stranger could have made
 * one, it is remedy_refuse()'s. */
const char *remedy_chmod(struct pool *pool, const char *path, const struct stat *st,
                         const char *mode);

/* Moves something away to PATH.old: into no folder of that name, and over nothing. */
const char *remedy_aside(struct pool *pool, const char *path);

/* For a path that a stranger can change the way to: shows who. NULL: nobody can. Links on the way
 * to `path` count, and the folders above what is to be changed. */
const char *remedy_refuse(struct pool *pool, const char *path, const char *changed, uid_t also);

#endif
