/*
 * back: the process that answers the front's requests (requests.h), and does not trust it.
 */
#ifndef MAILSLOT_BACK_H
#define MAILSLOT_BACK_H

#include "../base/role.h"

/* Exit codes, as qmail and its kin have them. */
enum { BACK_EXIT_SERVED = 0, BACK_EXIT_CONFIGURATION = 100, BACK_EXIT_PASSING = 111 };

struct back_start {
    const char *database; /* path */
    int in, out;          /* the client; may be the same */
    enum role role;
    const char *peer; /* the client's address, or a word for where it is */
    bool confined;    /* the listener has called confine_back_system_calls() */
};

/* Forks the front and serves one session. Returns the exit code. The log is open. */
int back_run(const struct back_start *start);

/* The back alone, with whatever is at the other end of wall. Does not close it. */
int back_serve(const struct back_start *start, int wall);

#endif
