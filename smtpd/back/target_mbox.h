/*
 * target_mbox: the kind of target that is a mailbox here (mbox.h).
 *
 * Mailboxes are locked only when they are sent to, because a target of another kind may take long
 * to prepare. What can be seen without a lock, prepare() sees.
 */
#ifndef MAILSLOT_TARGET_MBOX_H
#define MAILSLOT_TARGET_MBOX_H

#include "target.h"

extern const struct target_kind target_mbox;

#endif
