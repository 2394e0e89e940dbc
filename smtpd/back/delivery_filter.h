/*
 * delivery_filter: after the dot, filters see the message, one after the other, each with what the
 * ones before it have changed.
 *
 * The changes of a filter are checked as they come, and are undone if it fails or refuses. One that
 * asks for more than DELIVERY_CHANGES_MAX changes, or for one that cannot be made, has failed. A
 * message that a filter wants in quarantine is refused, deferred, or delivered with a field
 * X-Quarantine, as `quarantine` says.
 */
#ifndef MAILSLOT_DELIVERY_FILTER_H
#define MAILSLOT_DELIVERY_FILTER_H

#include "delivery_state.h"

/* Before the text: prepares the message for filters, if any of them wants to see it. */
void delivery_filter_begin(struct delivery *delivery);

/* The message is whole. Afterwards it is ready to be delivered to its targets, unless it is
 * refused, discarded, or the delivery was interrupted. */
void delivery_filter(struct delivery *delivery);

#endif
