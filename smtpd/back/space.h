/*
 * space: is there space for a message of the size that MAIL has declared (RFC 1870 section 6.1)?
 * This avoids pointless transfers and need not be exact: free space is rounded up, and counts as
 * enough if it cannot be found out. The delivery checks again.
 */
#ifndef MAILSLOT_SPACE_H
#define MAILSLOT_SPACE_H

#include "../database/directory.h"
#include "../wall/verdict.h"

/* On the disk that mail-root is on. size is in bytes, 0 if it was not declared. */
bool space_in_mail_root(const struct settings *settings, uint64_t size);

/* In a user's mailbox: VERDICT_OK; VERDICT_OVER_QUOTA; VERDICT_NO_SPACE if its disk, where it is
 * not mail-root's, is full. */
enum verdict space_in_mailbox(const struct settings *settings, const struct directory_user *user,
                              uint64_t size);

#endif
