/*
 * delivery_hop: what a hop is asked about a recipient of a transaction, and what its answer means.
 */
#ifndef MAILSLOT_DELIVERY_HOP_H
#define MAILSLOT_DELIVERY_HOP_H

#include "delivery_state.h"
#include "hops.h"

/* A question to a hop. */
struct delivery_hop {
    struct slice path; /* of its socket */
    bool lmtp;
    struct wall_hop_mail mail;
    struct address address;
    const struct address *recipient; /* in RCPT, as the client wrote it */
    int64_t deadline;
    bool one_of_many; /* the recipient has other targets, too */
};

/* When RCPT must be answered, if it begins now. */
int64_t delivery_hop_deadline(void);

/* Each of these fills in a question, except for the last two members. */

/* Asks a store about a recipient, or about the user whose mailbox the store has. */
void delivery_hop_store(struct delivery_hop *asked, const struct delivery *delivery,
                        const struct address *recipient, const struct directory_match *match,
                        const struct directory_target *target);

/* Asks a relay about the target of an alias. False: there is no relay for the sender. */
bool delivery_hop_forward(struct delivery_hop *asked, const struct delivery *delivery,
                          const struct address *recipient, const struct directory_target *target);

/* Asks a relay about a recipient in another domain. False: there is no relay for the sender, or the
 * client is not authenticated. */
bool delivery_hop_relay(struct delivery_hop *asked, const struct delivery *delivery,
                        const struct address *recipient);

/* Asks. VERDICT_OK: *recipient is set. Otherwise delivery->refusal says what the hop has said, if
 * it has. Logs what went wrong, except for VERDICT_HOP_UNKNOWN and what hop.h decides itself. */
enum verdict delivery_hop_ask(struct delivery *delivery, const struct delivery_hop *asked,
                              struct hop_recipient **recipient);

/* Is this a refusal for good, of one target? */
bool delivery_hop_is_for_good(enum verdict verdict);

/* Logs that a recipient was refused because all of its targets were, the last one by
 * delivery->refusal. */
void delivery_hop_log_refused(const struct delivery *delivery, const struct address *recipient,
                              enum verdict verdict);

#endif
