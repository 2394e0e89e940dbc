/*
 * room: is there room for a message, of the size that MAIL has declared (RFC 1870 section 6.1)? So
 * that it need not be sent in vain. Where that cannot be seen, there is: the delivery looks again.
 */
#ifndef MAILSLOT_ROOM_H
#define MAILSLOT_ROOM_H

#include "directory.h"

/* size in bytes, 0 if it was not declared. */
bool room_on_disk(const struct settings *settings, uint64_t size);

/* The same, within the user's quota. */
bool room_in_mailbox(const struct settings *settings, const struct directory_user *user,
                     uint64_t size);

#endif
