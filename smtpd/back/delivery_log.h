/*
 * delivery_log: what the log says of a transaction: whose it is, for whom, what became of it, and
 * why not.
 */
#ifndef MAILSLOT_DELIVERY_LOG_H
#define MAILSLOT_DELIVERY_LOG_H

#include "delivery.h"
#include "event.h"

/* What became of it; NULL for what does not apply. */
struct delivery_outcome {
    const char *reply;  /* to the client */
    const char *reason; /* why it was refused */
    const char *doing;  /* what failed, with which mailbox, and how */
    const char *mailbox;
    const char *error;
};

void delivery_log(const struct delivery *delivery, enum event event,
                  const struct delivery_outcome *outcome);

/* Where errno becomes a reply: the one place, and the one line in the log. target NULL: it was no
 * mailbox that failed. */
enum verdict delivery_failed(const struct delivery *delivery, const struct delivery_target *target,
                             const char *doing);
void delivery_log_failure(const struct delivery *delivery, const struct delivery_target *target,
                          const char *doing, const char *error, enum verdict result);

/* A torn message is being taken off the mailbox that is being locked. context: the delivery. */
void delivery_log_restored(const void *context, const struct undo_cut *cut);

/* A mailbox could not be brought back to what it was before a delivery with this result: errno. */
void delivery_log_undo(const struct delivery *delivery, const struct delivery_target *target,
                       enum verdict result);

/* Delivered, or refused for good. */
void delivery_log_result(const struct delivery *delivery, enum verdict result);

#endif
