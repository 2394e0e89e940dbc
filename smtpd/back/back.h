/*
 * back: the process that answers the front's requests (requests.h), and does not trust it.
 */
#ifndef MAILSLOT_BACK_H
#define MAILSLOT_BACK_H

#include "back_start.h"

/* Forks the front and serves one session. Returns the exit code. The log is open. */
int back_run(const struct back_start *start);

/* The back alone, with whatever is at the other end of wall. Does not close it. */
int back_serve(const struct back_start *start, int wall);

#endif
