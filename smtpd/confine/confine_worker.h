/*
 * confine_worker: confines a front, or another worker, before it reads its first byte from outside.
 */
#ifndef MAILSLOT_CONFINE_WORKER_H
#define MAILSLOT_CONFINE_WORKER_H

#include <stdbool.h>

enum { CONFINE_IN = 0, CONFINE_OUT = 1, CONFINE_WALL = 2 };

/* GnuTLS needs about 2 MB of memory; the limit of addresses includes libraries and the stack. The
 * processor time is enough for tens of gigabytes in one session. */
enum {
    CONFINE_DATA_MAX = 64 << 20,
    CONFINE_ADDRESSES_MAX = 512 << 20,
    CONFINE_CPU_SECONDS = 300,
};

/*
 * Afterwards the process has three descriptors, CONFINE_IN, CONFINE_OUT and CONFINE_WALL, and can
 * open no others. It can reach no path (by Landlock, where the kernel has it), and make only the
 * system calls of filter.c, with some more for TLS; any other kills it with SIGSYS. Its memory and
 * processor time are limited. It is killed when its parent ends, and cannot be dumped or traced.
 * Returns 0, or -1 with errno, after which the process must end.
 */
int confine_worker(int in, int out, int wall, bool tls);

#endif
