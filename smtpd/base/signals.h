/*
 * signals: signals that arrive only where a process waits for them.
 */
#ifndef MAILSLOT_SIGNALS_H
#define MAILSLOT_SIGNALS_H

#include <signal.h>

/* Blocks these signals (0 ends the list), and no others. The handler runs only in ppoll() with
 * the mask *waiting, which blocks none, and in signals_deliver(). */
void signals_hold(const int *list, void (*handler)(int), sigset_t *waiting);

/* Delivers pending signals. ppoll() alone does not while input keeps arriving. */
void signals_deliver(const sigset_t *waiting);

#endif
