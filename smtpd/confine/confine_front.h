/*
 * confine_front: shuts the front in, before it reads its first byte from the network.
 */
#ifndef MAILSLOT_CONFINE_FRONT_H
#define MAILSLOT_CONFINE_FRONT_H

#include <stdbool.h>

enum { CONFINE_IN = 0, CONFINE_OUT = 1, CONFINE_WALL = 2 };

/* GnuTLS takes about 2 MB of memory; addresses count libraries and the stack, too. The time is of
 * the processor: enough for tens of gigabytes in one session. */
enum {
    CONFINE_DATA_MAX = 64 << 20,
    CONFINE_ADDRESSES_MAX = 512 << 20,
    CONFINE_CPU_SECONDS = 300,
};

/*
 * Afterwards the process has three descriptors, CONFINE_IN, CONFINE_OUT, CONFINE_WALL, and can open
 * no more; no file (Landlock, where the kernel has it, with no path at all), and no system call but
 * those of filter.c, some more for TLS: any other ends the process with SIGSYS. Memory and time of
 * the processor are limited. It is killed when the process that forked it ends. It cannot be dumped
 * or traced. Returns 0, or -1 with errno: then do not go on.
 */
int confine_front(int in, int out, int wall, bool tls);

#endif
