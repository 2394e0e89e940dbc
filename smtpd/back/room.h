/*
 * room: is there room for a message of the size that MAIL has declared (RFC 1870 section 6.1)? This
 * avoids pointless transfers and need not be exact: the room is rounded up, and counts as enough
 * where it cannot be seen. The delivery looks again.
 */
#ifndef MAILSLOT_ROOM_H
#define MAILSLOT_ROOM_H

#include "../database/directory.h"
#include "../wall/wall.h"

/* size in bytes, 0 if it was not declared. Where mail-root is: */
bool room_on_disk(const struct settings *settings, uint64_t size);

/* WALL_USER: there is. WALL_FULL: not within the user's quota. WALL_NO_ROOM: not on the disk of a
 * mailbox that is not below mail-root. */
enum wall_verdict_code room_in_mailbox(const struct settings *settings,
                                       const struct directory_user *user, uint64_t size);

#endif
