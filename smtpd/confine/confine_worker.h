/*
 * confine_worker: confines a front, or another worker, before it reads its first byte from outside.
 */
#ifndef MAILSLOT_CONFINE_WORKER_H
#define MAILSLOT_CONFINE_WORKER_H

#include <stdbool.h>
#include <stddef.h>

/* The descriptors of a worker. Those from CONFINE_FILTERS are the sockets of filters, one each. */
enum {
    CONFINE_IN = 0,
    CONFINE_OUT = 1,
    CONFINE_WALL = 2,
    CONFINE_FILTERS = 3,
    CONFINE_FDS_MAX = CONFINE_FILTERS + 8,
};

/* GnuTLS needs about 2 MB of memory; the limit of addresses includes libraries and the stack. The
 * processor time is enough for tens of gigabytes in one session. */
enum {
    CONFINE_DATA_MAX = 64 << 20,
    CONFINE_ADDRESSES_MAX = 512 << 20,
    CONFINE_CPU_SECONDS = 300,
};

/*
 * fds[CONFINE_IN] becomes descriptor CONFINE_IN, and so on; -1: it has none there. Afterwards the
 * process has these descriptors, at most fds_len, and can open no others. It can reach no path (by
 * Landlock, where the kernel has it), and make only the system calls of filter.c, with some more
 * for TLS; any other kills it with SIGSYS. Its memory and processor time are limited. It is killed
 * when its parent ends, and cannot be dumped or traced. Returns 0, or -1 with errno, after which
 * the process must end.
 */
int confine_worker(const int *fds, size_t fds_len, bool tls);

#endif
