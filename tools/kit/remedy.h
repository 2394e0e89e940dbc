/*
 * remedy: commands for root to type that a user cannot turn against another file.
 *
 * chmod(1) follows symbolic links, and after the check a user can replace one of their files by a
 * link. Therefore chmod runs as the owner of the file if that owner could replace it; and if
 * another user can change where the path leads, the command only shows this, and changes nothing.
 */
#ifndef MAILSLOT_REMEDY_H
#define MAILSLOT_REMEDY_H

#include "pool.h"
#include "strangers.h"

#include <sys/stat.h>

/* To put before a command, so that it runs as this user: "runuser -u NAME -- ", or "" for root. */
const char *remedy_as(struct pool *pool, uid_t uid);

/* `chmod MODE PATH`, as that owner unless only root can replace the file. */
const char *remedy_mode(struct pool *pool, const char *path, uid_t owner, const char *mode);

/* The same for the file that a path leads to now; or the command of remedy_refuse(). */
const char *remedy_chmod(struct pool *pool, const char *path, const struct stat *st,
                         const char *mode);

/* Renames a file or folder to PATH.old. A file that already has this name gets a number. */
const char *remedy_aside(struct pool *pool, const char *path);

/* A command that only shows who can change where the path leads; NULL: no stranger can. Looks at
 * the links in `path`, and at the folders above `changed`, the file that is to be changed. */
const char *remedy_refuse(struct pool *pool, const char *path, const char *changed, uid_t trusted);

#endif
