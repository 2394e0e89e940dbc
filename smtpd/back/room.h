/*
 * room: is there room for a message of the size that MAIL has declared (RFC 1870 section 6.1)? This
 * avoids pointless transfers and need not be exact: the room is rounded up, and counts as enough
 * where it cannot be seen. The delivery looks again.
 */
#ifndef MAILSLOT_ROOM_H
#define MAILSLOT_ROOM_H

#include "../database/directory.h"

/* size in bytes, 0 if it was not declared. Where mail-root is: */
bool room_on_disk(const struct settings *settings, uint64_t size);

/* VERDICT_OK: there is. VERDICT_OVER_QUOTA: not within the user's quota. VERDICT_NO_SPACE: not on
 * the disk of a mailbox that is not below mail-root. */
enum verdict room_in_mailbox(const struct settings *settings, const struct directory_user *user,
                             uint64_t size);

#endif
