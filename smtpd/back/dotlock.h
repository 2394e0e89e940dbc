/*
 * dotlock: the lock file MAILBOX.lock, by liblockfile's rules, which mutt, procmail and others
 * share.
 */
#ifndef MAILSLOT_DOTLOCK_H
#define MAILSLOT_DOTLOCK_H

/*
 * Makes name.lock in folder, in one step with our process id in it; never waits. A lock that is
 * stale is broken first: its process is gone, or it names no process and is older than five
 * minutes. One more rule than liblockfile has: or it is older than this boot, for after a power cut
 * another process may have its id, for ever. Returns 0, or -1 with errno: EEXIST if somebody holds
 * it.
 */
int dotlock_take(int folder, const char *name);

/* Removes our lock. 0, or -1 with errno. */
int dotlock_drop(int folder, const char *name);

#endif
