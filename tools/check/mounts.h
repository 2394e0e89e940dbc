/*
 * mounts: file systems that fstab or a mount unit of systemd's names, and that are not mounted.
 */
#ifndef MAILSLOT_MOUNTS_H
#define MAILSLOT_MOUNTS_H

#include "../kit/pool.h"

#include <stdbool.h>

/* A mount point that should be in use, and what says so. */
struct missing_mount {
    const char *point;
    const char *where;   /* /etc/fstab, or the name of a unit */
    const char *command; /* that mounts it */
};

/* Is path at or beneath such a mount point where nothing is mounted? The innermost one is filled
 * in, from the pool. */
bool mounts_find_missing(struct pool *pool, const char *path, struct missing_mount *missing);

#endif
