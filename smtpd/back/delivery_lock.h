/*
 * delivery_lock: the mailboxes of a delivery, opened and locked: all of them, or the result says
 * what is wrong with one.
 *
 * Nothing is held while we wait. If a mailbox is locked, all others are let go; then we wait for
 * that one, and try the others again when we have it. So whoever keeps their own mailbox locked
 * holds up the mail that is for them, and no other mail.
 */
#ifndef MAILSLOT_DELIVERY_LOCK_H
#define MAILSLOT_DELIVERY_LOCK_H

#include "delivery.h"

/* Targets that another one has brought the message to already are removed from the list. What is
 * open or locked after a failure is the caller's to roll back and close. Logs failures. */
enum verdict delivery_lock(struct delivery *delivery);

#endif
