/*
 * turn: how many passwords are checked at one time, on the whole host. A check takes up to 16 MiB
 * (yescrypt) and a processor, and costs a client one line: a hundred clients must not take a
 * gigabyte together.
 *
 * A turn is a lock on one byte of the file `.turns` in mail-root (F_OFD_SETLK): it ends with its
 * process, however that ends. There are as many turns as processors, within bounds. So that a crowd
 * from one address leaves room for others, a client first takes one of half as many turns of its
 * source (peer.h).
 */
#ifndef MAILSLOT_TURN_H
#define MAILSLOT_TURN_H

#include "../database/settings.h"

enum {
    TURN_MIN = 2,
    TURN_MAX = 8,
    TURN_UNLIMITED = -1, /* turns cannot be counted, which is logged */
    TURN_NONE = -2,      /* none was free for lock-timeout */
};

/* Waits for a turn. Returns it, or TURN_UNLIMITED: go on without, or TURN_NONE. */
int turn_take(const struct settings *settings, const char *peer);
void turn_end(int turn);

#endif
