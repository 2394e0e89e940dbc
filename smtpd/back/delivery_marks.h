/*
 * delivery_marks: who of a transaction with hops has the message from an earlier try (done.h), and
 * who has it now, for the next one.
 */
#ifndef MAILSLOT_DELIVERY_MARKS_H
#define MAILSLOT_DELIVERY_MARKS_H

#include "delivery_state.h"

/* Before the delivery: targets that have the message already do not wait. */
void delivery_marks_read(struct delivery *delivery);

/* After it, and before the reply: marks what the client may send again, on the disk. unheard: that
 * is all of it. Logs what fails. */
void delivery_marks_write(struct delivery *delivery, bool unheard);

#endif
