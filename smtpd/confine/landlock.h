/*
 * landlock: restricts the paths that a process can use, by Landlock (landlock(7)), where the kernel
 * has it.
 */
#ifndef MAILSLOT_LANDLOCK_H
#define MAILSLOT_LANDLOCK_H

#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>

/* The kernel's names; older headers lack some of them. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_RESOLVE_UNIX
#define LANDLOCK_ACCESS_FS_RESOLVE_UNIX (1ULL << 16)
#endif

/* The first version that knows LANDLOCK_ACCESS_FS_RESOLVE_UNIX. */
enum { LANDLOCK_SOCKETS = 9 };

/* Rights on what is beneath a path. Those that this kernel does not know are left out. */
#define LANDLOCK_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All that a delivery needs. */
#define LANDLOCK_MAIL                                                                              \
    (LANDLOCK_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |              \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |     \
     LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)

/* The version of Landlock that this kernel has; 0: none, or a container forbids it. -1 with errno.
 */
int landlock_version(void);

/* Begins a rule set that forbids everything Landlock knows of, including abstract sockets of other
 * processes and, unless signals is set, signals to processes that are not forked afterwards.
 * Returns its descriptor, or -1 with errno. */
int landlock_begin(int version, bool signals);

/* Allows these rights beneath the path; writing beneath `/` is never allowed. A path that does not
 * exist needs no rule, nor does one with a symbolic link in it, unless links are followed. 0, or -1
 * with errno. */
int landlock_allow(int ruleset, int version, const char *path, uint64_t rights, bool links);

/* Enforces it for good, and closes it. 0, or -1 with errno. */
int landlock_enforce(int ruleset);

#endif
