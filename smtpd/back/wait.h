/*
 * wait: how the back waits for other processes while the client waits for it.
 *
 * A wait ends early when the client has hung up, or the session is to stop, because then nobody
 * wants the answer any more. That a client sends no more (a half-close) is no reason. Once a hop
 * has been sent a dot, nothing turns back: then only the deadline counts, and after a signal to
 * stop WAIT_STOPPING_SECONDS more.
 */
#ifndef MAILSLOT_WAIT_H
#define MAILSLOT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

enum wait {
    WAIT_READY,    /* there is something to read, or it is closed; or it can be written to */
    WAIT_OVERTIME, /* the deadline has passed */
    WAIT_GONE,     /* the client has hung up */
    WAIT_STOPPED,  /* by a signal */
};

enum { WAIT_STOPPING_SECONDS = 20 };

/* A session with this client begins; -1: there is none to watch. */
void wait_begin(int client);

/* Signals to stop are held from now on, except in waits. */
void wait_hold_signals(void);

/* When a signal came: clock_ms(). 0: none has come. */
int64_t wait_stopped(void);

/* A dot is about to be sent: nothing turns back any more, until the next transaction. */
void wait_commit(bool committed);

/* Is the client still connected, and is the session not to stop? WAIT_READY, or why not. */
enum wait wait_look(void);

/* Waits until fd can be read (POLLIN) or written to (POLLOUT); -1: only for time to pass. deadline:
 * clock_ms(). */
enum wait wait_for(int fd, short events, int64_t deadline);

#endif
