/*
 * relay_limit: how many recipients in other domains a user has in an hour (`relay-limit`), so that
 * a stolen password cannot send spam to the world.
 *
 * The counts are in the file `.relayed` in mail-root, a table of fixed size by the hash of the
 * user's key: it never grows, and needs no cleaning. An hour begins with the first recipient after
 * the last hour has ended. A count is not synced: a power cut may lose it.
 */
#ifndef MAILSLOT_RELAY_LIMIT_H
#define MAILSLOT_RELAY_LIMIT_H

#include "../base/slice.h"
#include "../database/settings.h"
#include "../wall/verdict.h"

/* Counts more recipients for the user with this key, before a hop is asked about them.
 * VERDICT_OK; VERDICT_RELAY_LIMIT: they would exceed the limit, and none was counted;
 * VERDICT_FAILED, which is logged: they cannot be counted, and so must not be sent. */
enum verdict relay_limit_take(const struct settings *settings, struct slice user,
                              uint64_t recipients);

#endif
