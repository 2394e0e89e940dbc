/*
 * dotlock: the lock file MAILBOX.lock, by liblockfile's rules, which mutt, procmail and others
 * share.
 */
#ifndef MAILSLOT_DOTLOCK_H
#define MAILSLOT_DOTLOCK_H

#include <sys/stat.h>
#include <sys/types.h>

/* Makes name.lock in folder, in one step with our process id in it; never waits. 0, or -1 with
 * errno: EEXIST if there is one. */
int dotlock_take(int folder, const char *name);

/* The process that the lock file names. 0: none on this machine. -1 with errno: the file cannot be
 * read. */
pid_t dotlock_holder(int folder, const char *name);

/*
 * Is there a lock, and is it stale? A lock that names a process here is stale once the process has
 * ended, and not before: its age does not count, because the clock may have been set. A lock that
 * names none (no number; our own, although we do not hold it: another PID name space; a number and
 * a host) is stale when it is older than five minutes, or than this boot. 1 with *st set, 0 if it
 * is live or gone, -1 with errno.
 *
 * One exception: a lock of ours from before this boot is stale even if a process of another user
 * has the number now. Otherwise, after a power cut, it would hold for as long as that process runs.
 */
int dotlock_is_stale(int folder, const char *name, struct stat *st);

/* Removes a stale lock, if it is still the one of st; else errno is EEXIST. The caller holds the
 * mailbox's fcntl lock, so two mailslots never do this at once. 0, or -1 with errno. */
int dotlock_break(int folder, const char *name, const struct stat *st);

/* Removes our lock. 0, or -1 with errno. */
int dotlock_drop(int folder, const char *name);

#endif
