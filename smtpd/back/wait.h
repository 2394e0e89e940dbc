/*
 * wait: how the back waits: for the front, and for other processes while the client waits for it.
 *
 * Signals to stop arrive only in waits. A wait for other processes ends early when the client has
 * hung up, or the session is to stop, because then nobody wants the answer any more. That a client
 * sends no more (a half-close) is no reason. Once a hop has been sent a dot, nothing turns back:
 * then only the deadline counts, and after a signal WAIT_STOPPING_SECONDS more.
 */
#ifndef MAILSLOT_WAIT_H
#define MAILSLOT_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum wait {
    WAIT_READY,    /* there is something to read, or it is closed; or it can be written to */
    WAIT_OVERTIME, /* the deadline has passed */
    WAIT_GONE,     /* the client has hung up, or the front has ended */
    WAIT_STOPPED,  /* by a signal */
};

enum { WAIT_STOPPING_SECONDS = 20 };

/* Signals to stop are held from now on, except in waits. */
void wait_hold_signals(void);

/* What waits watch: the client's socket, and our end of the wall to the front. -1: not that one. */
void wait_begin(int client, int front);

/* true: a dot is about to be sent, and nothing turns back any more. false: the transaction is over.
 */
void wait_commit(bool committed);

/* When the first signal to stop came: clock_ms(). 0: none has come. */
int64_t wait_stopped(void);

/* Is the client still connected, and is the session not to stop? WAIT_READY, or why not. */
enum wait wait_look(void);

/* Has the client gone, or its front? */
bool wait_client_gone(void);

/* Waits until fd can be read (POLLIN) or written to (POLLOUT); -1: only for time to pass. deadline:
 * clock_ms(). */
enum wait wait_for(int fd, short events, int64_t deadline);

/* poll(2) until the deadline, with no other reason to end. */
int wait_poll(struct pollfd *fds, nfds_t count, int64_t deadline);

#endif
