/*
 * target_mbox: the kind of target that is a mailbox here (mbox.h).
 *
 * Mailboxes are locked in send(), not in prepare(), because targets of other kinds may take long to
 * prepare and to send to.
 */
#ifndef MAILSLOT_TARGET_MBOX_H
#define MAILSLOT_TARGET_MBOX_H

#include "target.h"

extern const struct target_kind target_mbox;

#endif
