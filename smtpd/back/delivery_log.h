/*
 * delivery_log: what the log says about a transaction: who sent it, for whom, the result, and the
 * reason.
 */
#ifndef MAILSLOT_DELIVERY_LOG_H
#define MAILSLOT_DELIVERY_LOG_H

#include "delivery_state.h"
#include "event.h"

/* The result; NULL for what does not apply. */
struct delivery_outcome {
    const char *reply;  /* to the client */
    const char *reason; /* why it was refused */
    const char *doing;  /* what failed, with which mailbox, and how */
    const char *mailbox;
    const char *error;
};

void delivery_log(const struct delivery *delivery, enum event event,
                  const struct delivery_outcome *outcome);

/* Something failed: with this target, or with none (NULL). */
void delivery_log_failure(const struct delivery *delivery, const struct target *target,
                          const char *doing, const struct failure *failure);

/* Delivered, or refused for good. */
void delivery_log_result(const struct delivery *delivery, enum verdict result);

#endif
