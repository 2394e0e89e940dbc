/*
 * hop_connect: connects to the UNIX-domain socket of a hop.
 *
 * The filter of the back (confine_back.h) lets connect(2) pass only with an address of less than
 * CONFINE_BACK_ADDRESS bytes, which is too short for any family of the internet. Every path is
 * therefore reached by a short one, through a descriptor.
 */
#ifndef MAILSLOT_HOP_CONNECT_H
#define MAILSLOT_HOP_CONNECT_H

#include <stdint.h>

/* A connected stream socket, which blocks, or -1 with errno: ENOTSOCK if the path is that of
 * something else; ETIMEDOUT if there was no place in its queue until the deadline (clock_ms());
 * ECANCELED if the wait for it was given up (wait.h). */
int hop_connect(const char *path, int64_t deadline);

#endif
