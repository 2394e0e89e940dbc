/*
 * reach: brings a message to the hops of a transaction, after its last byte has come.
 *
 * 1. A look at the mailboxes here: is one full, locked, or cannot be opened?
 * 2. Every hop gets the text, without the dot that ends it.
 * 3. The last moment to turn back: has a hop hung up meanwhile, has the client (target.h:
 *    last_moment())?
 * 4. One hop after the other gets its dot, and replies: relays first, then stores. Mailboxes come
 *    later (target_deliver()).
 *
 * A part ends at the first failure, and nothing of it is anywhere, until a target has the message
 * or may have it: after that, all others are tried. If a hop has the text already when a part ends,
 * it gets it again without the recipients of that part.
 */
#ifndef MAILSLOT_REACH_H
#define MAILSLOT_REACH_H

#include "target.h"

/* Is there a hop among these targets, which are sorted? */
bool reach_is_needed(const struct target *targets, size_t count);

/* Of all targets of a transaction, sorted: afterwards no hop waits; mailboxes wait, or their part
 * is over. No hop has a text without a dot. */
void reach(const struct target_message *message, struct target *targets, size_t count);

#endif
