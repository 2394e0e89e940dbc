/*
 * hop_hand: the back's end of the wall to a hand.
 *
 * Whatever a hand reports is checked. If it breaks the rules that is logged, and the hop is
 * unavailable. After a fault there is no hand any more.
 */
#ifndef MAILSLOT_HOP_HAND_H
#define MAILSLOT_HOP_HAND_H

#include "hops.h"

/* All of these return false if that failed; the outcome then says why. step: what it is for. */

/* Connects, forks the hand, and has it greet the hop. */
bool hop_hand_start(struct hop *hop, int64_t deadline, struct hop_outcome *outcome);

/* Sends hops->message. A hand that has gone is no failure: what it has left to say is what
 * hop_hand_reply() gets. */
bool hop_hand_tell(struct hop *hop, size_t body_len, enum hop_step step, int64_t deadline,
                   struct hop_outcome *outcome);

/* Waits for the hop's reply: the outcome. False unless it is a good one. */
bool hop_hand_reply(struct hop *hop, enum hop_step step, int64_t deadline,
                    struct hop_outcome *outcome);

/* Is there a reply that nobody has asked for? */
bool hop_hand_has_fault(const struct hop *hop);

/* Sends RSET, if it can be sent at once. */
bool hop_hand_reset(struct hop *hop);

/* Ends it: with QUIT, if it is not in a text. hop_hand_leave() asks for that, and does not wait. */
void hop_hand_end(struct hop *hop);
void hop_hand_leave(struct hop *hop);

#endif
