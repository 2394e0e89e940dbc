/*
 * hops: the other mail servers of a session: connected when they are needed, kept from one
 * transaction to the next, and ended by STARTTLS and with the session.
 */
#ifndef MAILSLOT_HOPS_H
#define MAILSLOT_HOPS_H

#include "../database/directory.h"
#include "hop.h"

enum { HOPS_MAX = 8 };

/* A recipient that a hop has accepted in this transaction. */
struct hop_recipient {
    struct hop *hop;
    struct address address;
    bool left_out; /* it must not get the message */
    /* VERDICT_OK after RCPT. hop_text() puts what a replay has said here, hop_results() what the
     * hop has said of the message. */
    struct hop_outcome outcome;
};

struct hops {
    const char *hostname;
    struct hop all[HOPS_MAX];
    size_t made; /* how many of them are in use; the memory of the others stays untouched */
    /* What the hops have accepted in this transaction, in the order in which they were asked. */
    struct hop_recipient recipients[DIRECTORY_MAILBOXES_MAX];
    size_t count;
    struct wall_message message; /* to and from hands */
};

/* There are no hops yet. hostname: to greet them with; must stay valid. */
void hops_init(struct hops *hops, const char *hostname);

/* The hop with this socket, for MAIL as described: one that is in use has the same sender. NULL:
 * too many are in use. */
struct hop *hops_get(struct hops *hops, struct slice path, bool lmtp,
                     const struct wall_hop_mail *mail);

/* Asks it for a recipient, once in a transaction. The number of the recipient, if the outcome is
 * VERDICT_OK. */
size_t hops_recipient(struct hop *hop, const struct address *address, int64_t deadline,
                      struct hop_outcome *outcome);

/* This recipient must not get the message: its hop is sent the envelope again, without it. */
void hops_leave_out(struct hop_recipient *recipient);

/* A filter has changed the sender: hops that were told the old one get the envelope again. */
void hops_change_sender(struct hops *hops, const struct address *old, const struct address *sender);

/* Forgets all recipients except the first `count`. */
void hops_forget(struct hops *hops, size_t count);

/* The transaction is over, for all of them. */
void hops_reset(struct hops *hops);

/* Ends all connections. */
void hops_end(struct hops *hops);

#endif
