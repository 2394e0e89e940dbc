/*
 * hop: another mail server, as a session knows it: the hand that speaks to it, and the envelope
 * that it has been told (../wall/hop.h).
 *
 * A hop is connected when the session first needs it, and kept. The envelope is kept here, too:
 * until the first byte of text is sent it can be replayed, by a new connection if the hop has hung
 * up meanwhile, or after RSET if it has been told a recipient that is not wanted any more.
 *
 * Every wait ends at its deadline (clock_ms()), and before the first dot also when the client has
 * hung up or the session is to stop (wait.h). The hop is then unavailable.
 */
#ifndef MAILSLOT_BACK_HOP_H
#define MAILSLOT_BACK_HOP_H

#include "../base/address.h"
#include "../base/slice.h"
#include "../database/socket_path.h"
#include "../mailbox/spool.h"
#include "hop_outcome.h"
#include "worker.h"

enum { HOP_RCPT_SECONDS = 60 };

struct hop {
    struct hops *hops;
    struct worker hand;             /* WORKER_NONE: it is not connected */
    char path[SOCKET_PATH_MAX + 1]; /* of its socket; empty: this is no hop */
    bool lmtp;
    bool in_use;  /* by this transaction: mail is known */
    bool told;    /* the hand has been told all of the envelope */
    bool dirty;   /* the hand has been told of a transaction that is over, or has changed */
    bool in_text; /* the text has begun: nothing can be replayed */
    bool dotted;  /* the dot was sent */
    struct wall_hop_mail mail;
    struct wall_hop_ready offers; /* what it said when it was connected */
};

/* Is this an address that the hop accepts now? Connects, and says MAIL, if that was not done. */
void hop_recipient(struct hop *hop, const struct address *address, int64_t deadline,
                   struct hop_outcome *outcome);

/* A text. */
struct hop_message {
    struct slice received; /* our Received field */
    struct spool *spool;   /* all else, */
    uint64_t above;        /* ... of which so many bytes come above that field */
};

/* Brings it the text, without the dot. Replays the envelope first if that must be. VERDICT_OK: it
 * has the text, for those of its recipients whose outcome is VERDICT_OK. Otherwise it has none of
 * it. */
void hop_text(struct hop *hop, const struct hop_message *message, int64_t deadline,
              struct hop_outcome *outcome);

/* Has it hung up, or said something, since it has the text? Then it cannot have the message, and
 * why is in the outcomes of its recipients. */
bool hop_has_failed(struct hop *hop, int64_t deadline);

/* Sends the dot. 0, or -1: it was not sent, and the hop has not got the message; why is in the
 * outcomes of its recipients. */
int hop_dot(struct hop *hop, int64_t deadline);

/* Waits for what it says of the message: to the outcomes of its recipients. In SMTP it is the same
 * for all. */
void hop_results(struct hop *hop, int64_t deadline);

/* The transaction with it is over. If it has the text but not the dot, that ends the connection. */
void hop_reset(struct hop *hop);

#endif
