/*
 * delivery_recipient: RCPT: where the mail of a recipient goes to, and whether it may go there.
 *
 * Mailboxes are looked at, and hops are asked, while the client waits: at most HOP_RCPT_SECONDS.
 * A target that a hop refuses for good is left out while the recipient, an alias, has another.
 */
#ifndef MAILSLOT_DELIVERY_RECIPIENT_H
#define MAILSLOT_DELIVERY_RECIPIENT_H

#include "delivery_state.h"

/* Both return VERDICT_OK, and the recipient is part of the transaction; or why not, and nothing of
 * it is. If verdict_is_said(), what the hop has said is in delivery->refusal. Refusals of hops are
 * logged, except for VERDICT_HOP_UNKNOWN and _SMTPUTF8. */

/* Adds a local recipient's targets, except those of disabled users and those that are there already
 * (where each recipient has a result: that this recipient has already). */
enum verdict delivery_add(struct delivery *delivery, const struct address *recipient,
                          const struct directory_match *match);

/* May this transaction go to other domains? If the client is authenticated, and there is a relay
 * for the sender. */
bool delivery_may_relay(const struct delivery *delivery, const struct address *recipient);

/* Adds a recipient in another domain; VERDICT_FOREIGN: it must not. */
enum verdict delivery_add_elsewhere(struct delivery *delivery, const struct address *recipient);

/* Adds a recipient of a message that a filter has discarded already: it goes nowhere. */
enum verdict delivery_add_discarded(struct delivery *delivery, const struct address *recipient);

/* After the dot: finds the targets of the recipient with this number, anew, or of one that a filter
 * has added (DELIVERY_ADDED): only that one counts for the user's limit of recipients elsewhere. */
enum verdict delivery_add_again(struct delivery *delivery, const struct address *recipient,
                                size_t number);

#endif
