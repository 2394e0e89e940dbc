/*
 * back_start: how the back of a session is started, and the codes it exits with.
 */
#ifndef MAILSLOT_BACK_START_H
#define MAILSLOT_BACK_START_H

#include "../base/role.h"

#include <stdbool.h>

/* Exit codes, as qmail and its kin have them. */
enum { BACK_EXIT_SERVED = 0, BACK_EXIT_CONFIGURATION = 100, BACK_EXIT_PASSING = 111 };

struct back_start {
    const char *database; /* path */
    int in, out;          /* the client; may be the same */
    enum role role;
    const char *peer; /* the client's address, or a word for where it is */
    bool confined;    /* the listener has called confine_back_system_calls() */
};

#endif
