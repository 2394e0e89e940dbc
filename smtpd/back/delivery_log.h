/*
 * delivery_log: what the log says of a transaction: whose it is, for whom, and what became of it.
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

#endif
