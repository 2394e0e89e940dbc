/*
 * landlock: what paths a process may still use, by Landlock (landlock(7)), where the kernel has it.
 */
#ifndef MAILSLOT_LANDLOCK_H
#define MAILSLOT_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Rights, as the kernel numbers them; those that this kernel does not know are left out. */
#define LANDLOCK_READ ((uint64_t)(1 << 2 | 1 << 3)) /* files and folders */
/* To do what a delivery does: write, make and remove files, links and folders, link, truncate. */
#define LANDLOCK_MAIL                                                                              \
    (LANDLOCK_READ | (uint64_t)(1 << 1 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 13 | 1 << 14))

/* The version of Landlock that this kernel has; 0: none, or a container keeps it from us. -1 with
 * errno. */
int landlock_version(void);

/* Begins a rule set that denies all there is: also abstract sockets of others, and, unless they may
 * be sent, signals to others: all that have not been forked afterwards. Its descriptor, or -1 with
 * errno. */
int landlock_begin(int version, bool signals);

/* Allows this beneath the path; to write beneath `/` is never allowed. A path that is not there
 * needs no rule, nor one with a symbolic link in it unless links are followed. 0, or -1 with errno.
 */
int landlock_allow(int ruleset, int version, const char *path, uint64_t rights, bool links);

/* Puts it in force, for good, and closes it. 0, or -1 with errno. */
int landlock_enforce(int ruleset);

#endif
