/*
 * confine: shuts the front in, before it reads its first byte from the network.
 */
#ifndef MAILSLOT_CONFINE_H
#define MAILSLOT_CONFINE_H

#include <stdbool.h>

enum { CONFINE_IN = 0, CONFINE_OUT = 1, CONFINE_WALL = 2 };

/*
 * Afterwards the process has three descriptors, CONFINE_IN, CONFINE_OUT, CONFINE_WALL, and can open
 * no more; no file (Landlock, where the kernel has it, with no path at all), and no system call but
 * those of filter.c, some more for TLS: any other ends the process with SIGSYS. It cannot be dumped
 * or traced. Returns 0, or -1 with errno: then do not go on.
 */
int confine_front(int in, int out, int wall, bool tls);

#endif
