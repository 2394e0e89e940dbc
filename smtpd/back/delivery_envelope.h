/*
 * delivery_envelope: what filters change in the envelope of a message: its sender and recipients.
 *
 * Changes are noted as they come, and made once, when all filters have seen the message: then its
 * targets are found anew, as at RCPT. Users and hops that were asked before are not asked again,
 * except that a hop gets the new envelope before the text.
 *
 * - The recipients that the client has given and that remain keep their parts (target.h). One that
 *   cannot be delivered to any more fails as if it had been refused after the dot.
 * - One that a filter has added belongs to the first part. It is dropped if it is refused for good,
 *   and defers the message if it is deferred.
 * - If no recipient remains, the message is discarded.
 */
#ifndef MAILSLOT_DELIVERY_ENVELOPE_H
#define MAILSLOT_DELIVERY_ENVELOPE_H

#include "milter_edit.h"

struct delivery;

enum { DELIVERY_CHANGES_MAX = 1000 }; /* of one message by all filters; see delivery_filter.h */

struct delivery_envelope {
    size_t count; /* of changes */
    /* How the final envelope differs from the client's: */
    bool changed; /* it does, and the rest is set */
    struct address sender;
    bool removed[WALL_RESULTS_MAX]; /* recipients of the client */
    const char *removed_by;         /* the filter that was the last to remove one */
    size_t added;
    const struct delivery_change *additions[DELIVERY_CHANGES_MAX];
    struct delivery_change {
        enum milter_change kind; /* MILTER_ADD_RCPT, _DELETE_RCPT or _SENDER */
        const char *filter;      /* the path of its socket */
        struct address address;
    } changes[DELIVERY_CHANGES_MAX];
};

/* Nothing is changed. */
void delivery_envelope_begin(struct delivery_envelope *envelope);

/* Notes a change that this filter wants. Returns NULL, or what is wrong with it. */
const char *delivery_envelope_note(struct delivery *delivery, const char *filter,
                                   const struct milter_edit *edit);

/* Makes the changes: to the sender and the targets, or delivery->refused, or ->discarded_by. */
void delivery_envelope_apply(struct delivery *delivery);

#endif
