/*
 * mounts: file systems in /etc/fstab or in a mount unit of systemd that are not mounted.
 */
#ifndef MAILSLOT_MOUNTS_H
#define MAILSLOT_MOUNTS_H

#include "../kit/pool.h"

#include <stdbool.h>

/* A mount point at which nothing is mounted, and what names it. */
struct missing_mount {
    const char *point;
    const char *where;   /* /etc/fstab, or the name of a unit */
    const char *command; /* that mounts it */
};

/* Is the path at or below such a mount point? Fills in the innermost one, in the pool. */
bool mounts_find_missing(struct pool *pool, const char *path, struct missing_mount *missing);

#endif
