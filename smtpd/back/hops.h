/*
 * hops: the other mail servers of a session: connected when they are needed, kept from one
 * transaction to the next, and ended by STARTTLS and with the session.
 */
#ifndef MAILSLOT_HOPS_H
#define MAILSLOT_HOPS_H

#include "../database/directory.h"
#include "hop.h"

enum { HOPS_MAX = 8 };

struct hops {
    const char *hostname;
    struct hop all[HOPS_MAX];
    /* What the hops have accepted in this transaction, in the order in which they were asked. */
    struct hop_recipient recipients[DIRECTORY_MAILBOXES_MAX];
    size_t count;
};

/* There are none yet. hostname: how they are greeted; must stay valid. */
void hops_init(struct hops *hops, const char *hostname);

/* The hop with this socket, for mail as described: one that is in use has the same MAIL. NULL: too
 * many are in use. */
struct hop *hops_get(struct hops *hops, struct slice path, bool lmtp,
                     const struct wall_hop_mail *mail);

/* Asks it for a recipient, once in a transaction. *number: of the recipient, if the outcome is
 * VERDICT_OK. */
void hops_recipient(struct hops *hops, struct hop *hop, const struct address *address,
                    int64_t deadline, size_t *number, struct hop_outcome *outcome);

/* Forgets the recipients after the first so many. */
void hops_forget(struct hops *hops, size_t count);

/* The transaction is over, for all of them. */
void hops_reset(struct hops *hops);

/* Ends all connections. */
void hops_end(struct hops *hops);

#endif
