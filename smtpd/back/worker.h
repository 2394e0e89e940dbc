/*
 * worker: a confined process at the other end of a wall. Fronts and hands are.
 *
 * The back forks it, has it confined, talks with it, and ends it. A worker inherits nothing: what
 * the back has opened is closed; what it has read is kept from its children (database.h), or wiped
 * (worker_keep()).
 */
#ifndef MAILSLOT_WORKER_H
#define MAILSLOT_WORKER_H

#include "event.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct worker {
    int wall;  /* our end of it; -1 if there is no process */
    pid_t pid; /* 0 if there is no process */
    enum event killed;
};

#define WORKER_NONE ((struct worker){.wall = -1})

struct worker_task {
    /* All that it keeps. The places are the numbers that it has there: CONFINE_IN, CONFINE_OUT,
     * CONFINE_WALL, which is filled in here, and those of filters. -1: it has none there. */
    const int *fds;
    size_t fds_len;             /* CONFINE_FILTERS, or more */
    bool tls;                   /* it needs the system calls of GnuTLS */
    void (*run)(void *context); /* the process, once it is confined; does not return */
    void *context;
    enum event killed; /* to be logged when a signal other than ours ends it */
};

/* The memory that workers forked from now on must not have: they see zeros. */
void worker_keep(void *memory, size_t len);

/* Forks it; in the child, confine_worker() comes first. 0, or -1 with errno. */
int worker_start(struct worker *worker, const struct worker_task *task);

/* Ends it: waits this long for it to go, kills it, and closes the wall. Logs a signal that ended it
 * before. Returns its exit status, 0 where it was killed; WORKER_UNCONFINED: it could not be
 * confined. Does nothing if there is no process. */
enum { WORKER_UNCONFINED = 111 };
int worker_end(struct worker *worker, int patience_ms);

#endif
