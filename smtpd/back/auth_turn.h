/*
 * auth_turn: limits how many passwords are checked at the same time on the whole host. A check
 * takes up to 16 MiB (yescrypt) and a processor, but costs a client one line only: a hundred
 * clients must not use a gigabyte.
 *
 * A turn is a lock on one byte of the file `.turns` in mail-root (F_OFD_SETLK), which is released
 * when its process ends, for whatever reason. There are as many turns as processors, within bounds.
 * A client first takes a turn of its source (peer.h), of which there are half as many, so that one
 * address cannot take them all.
 */
#ifndef MAILSLOT_AUTH_TURN_H
#define MAILSLOT_AUTH_TURN_H

#include "../database/settings.h"

enum {
    AUTH_TURN_MIN = 2,
    AUTH_TURN_MAX = 8,
    AUTH_TURN_UNLIMITED = -1, /* turns cannot be counted; this is logged */
    AUTH_TURN_NONE = -2,      /* none was free within lock-timeout */
};

/* Waits for a turn. Returns it, or AUTH_TURN_UNLIMITED (go on without one), or AUTH_TURN_NONE. */
int auth_turn_take(const struct settings *settings, const char *peer);
void auth_turn_end(int turn);

#endif
