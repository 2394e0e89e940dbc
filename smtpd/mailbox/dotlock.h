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

/* The process that the lock file names. 0: it names none of this machine. -1 with errno: it cannot
 * be read. */
pid_t dotlock_holder(int folder, const char *name);

/*
 * Is the lock that is there stale? With the number of a process: if that is gone, and only then; as
 * long as it runs no age counts, because the clock may have been set. If the text tells nothing
 * about a process here (no number; ours, but we do not hold it: another PID name space; a number
 * and a host): if it is older than five minutes, or than this boot. 1 with *st set, 0 if it is live
 * or gone, -1 with errno.
 *
 * One exception: a lock of ours from before this boot whose number another user's process has is
 * stale. After a power cut it would otherwise hold for as long as that process runs.
 */
int dotlock_is_stale(int folder, const char *name, struct stat *st);

/* Removes a stale lock, if it is still the one of st; else errno is EEXIST. Two mailslots never
 * come here at once, for they hold the mailbox's fcntl lock. 0, or -1 with errno. */
int dotlock_break(int folder, const char *name, const struct stat *st);

/* Removes our lock. 0, or -1 with errno. */
int dotlock_drop(int folder, const char *name);

#endif
