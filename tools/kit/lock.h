/*
 * lock: one tool at a time changes the files of a folder.
 *
 * The lock is an fcntl(2) lock on FOLDER/.lock, a file of mode 0600: a user who may only read the
 * folder cannot stop the tools.
 */
#ifndef MAILSLOT_LOCK_H
#define MAILSLOT_LOCK_H

/*
 * Waits until no other tool changes files of this folder. After a second it prints which process it
 * waits for, and after a minute it gives up. A .lock that belongs to neither us, root nor the
 * folder's owner, or that is not a regular file, is refused at once. Returns EXIT_DONE, or
 * EXIT_FAILED after a message. The lock ends with the process, which also removes the file, except
 * after SIGKILL.
 */
int lock_folder(const char *folder);

/* Removes the file. Called at exit; a signal handler must call it. */
void lock_release(void);

#endif
