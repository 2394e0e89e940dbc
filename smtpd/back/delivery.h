/*
 * delivery: one mail transaction: a message is delivered to all of its targets (target.h).
 *
 * The client gets 250 if delivery_commit() returns VERDICT_OK: then the message is in every
 * mailbox, on the disk, and every other server has accepted it. After any other result no mailbox
 * has changed, unless another server had accepted the message already (reach.h). A crash in between
 * leaves the message in the mailboxes where it is complete; where it is torn, undo.h cuts it off.
 *
 * In LMTP, and by PRDR, that holds for each recipient separately: one after the other gets the
 * message in all of its mailboxes, or in none. A mailbox that got it for an earlier recipient does
 * not get it again.
 */
#ifndef MAILSLOT_DELIVERY_H
#define MAILSLOT_DELIVERY_H

#include "delivery_state.h"

/* There is no transaction yet. db, hops, milters: of the session. */
void delivery_init(struct delivery *delivery, struct database *db, struct hops *hops,
                   struct milters *milters);

/* Begins a transaction with a new id. */
void delivery_begin(struct delivery *delivery, const struct settings *settings,
                    const struct delivery_client *client, const struct wall_mail *mail);

/* Adds message text. delivery_commit() reports what goes wrong. */
void delivery_text(struct delivery *delivery, struct slice text);

/* Delivers, logs the result, and ends the transaction. */
void delivery_commit(struct delivery *delivery, struct wall_result *result);

/* Forgets the transaction, if there is one. */
void delivery_abandon(struct delivery *delivery);

/* What the files of delivery share. */

/* Refuses the message, as errno says: the spool has failed. */
void delivery_refuse_by_errno(struct delivery *delivery);

/* Before the first dot: has the client gone, or must the session stop? Logs that once. */
bool delivery_is_interrupted(struct delivery *delivery);

/* Refuses the message, unless it is refused already. */
void delivery_refuse(struct delivery *delivery, enum verdict why);

/* Adds the recipient to the list for the log, as it was given, if there is space. */
void delivery_list(struct delivery *delivery, const struct address *recipient);

#endif
