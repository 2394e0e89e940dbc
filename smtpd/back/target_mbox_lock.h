/*
 * target_mbox_lock: locks all mailboxes of a delivery, or none.
 *
 * Nothing is held while we wait. If a mailbox is locked, all others are released; then we wait for
 * that one, and try the others again when we have it. So a program that keeps a mailbox locked
 * holds up the mail for that mailbox, and no other mail.
 */
#ifndef MAILSLOT_TARGET_MBOX_LOCK_H
#define MAILSLOT_TARGET_MBOX_LOCK_H

#include "target.h"

/* Locks all but duplicates. NULL, or the target that could not be locked by the deadline
 * (clock_ms()), with errno; others may be locked then. */
struct target *target_mbox_lock(struct target *targets, size_t count, int64_t deadline);

#endif
