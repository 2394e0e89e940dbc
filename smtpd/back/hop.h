/*
 * hop: another mail server, as a session knows it: the hand that speaks to it, and the envelope
 * that it has been told (../wall/hop.h).
 *
 * A hop is connected when the session first needs it, and kept. The envelope is kept here, too:
 * until the first byte of text is sent it can be replayed, by a new connection if the hop has hung
 * up meanwhile, or after RSET if it has been told a recipient that is not wanted any more.
 *
 * Whatever a hand reports is checked. If it breaks the rules that is logged, and the hop is
 * unavailable.
 *
 * Every wait ends at its deadline (clock_ms()), and before the first dot also when the client has
 * hung up or the session is to stop (wait.h). The hop is then unavailable.
 */
#ifndef MAILSLOT_BACK_HOP_H
#define MAILSLOT_BACK_HOP_H

#include "../base/address.h"
#include "../base/slice.h"
#include "../mailbox/spool.h"
#include "../wall/verdict.h"
#include "../wall/wall.h"
#include "worker.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    HOP_PATH_MAX = 1024, /* with the NUL */
    HOP_RCPT_SECONDS = 60,
};

/* What became of something that a hop was asked. */
struct hop_outcome {
    enum verdict verdict; /* VERDICT_OK; VERDICT_HOP_REFUSED, _DEFERRED or _UNAVAILABLE */
    bool uncertain;       /* the dot was sent, and the reply was lost */
    /* The hop's reply, or why there is none, checked: for the log. With a fault of HOP_CONNECT,
     * text is an error of the system. */
    struct wall_hop_reply reply;
};

/* The reply as a line of WALL_SAID: `550 5.1.1 No such user`. For VERDICT_HOP_REFUSED and
 * VERDICT_HOP_DEFERRED. Returns its length. */
size_t hop_said(const struct hop_outcome *outcome, char to[static WALL_SAID_MAX + 1]);

/* A recipient that a hop has accepted in this transaction. */
struct hop_recipient {
    struct hop *hop;
    struct address address;
    /* VERDICT_OK after RCPT. hop_text() puts what a replay has said here, hop_results() what the
     * hop has said of the message. */
    struct hop_outcome outcome;
};

struct hop {
    struct hops *hops;
    struct worker hand;      /* WORKER_NONE: it is not connected */
    char path[HOP_PATH_MAX]; /* of its socket; empty: this is no hop */
    bool lmtp;
    bool in_use;  /* by this transaction: it has MAIL */
    bool told;    /* ... and the hand has been told all of the envelope */
    bool dirty;   /* the hand has been told of a transaction that is over, or changed */
    bool in_text; /* after DATA: nothing can be replayed */
    bool dotted;  /* the dot was sent */
    struct wall_hop_mail mail;
    struct wall_hop_ready offers; /* what it said when it was connected */
};

/* Is this an address that the hop accepts now? Connects, and says MAIL, if that was not done. */
void hop_recipient(struct hop *hop, const struct address *address, int64_t deadline,
                   struct hop_outcome *outcome);

/* Brings it the text, without the dot: `received`, and the spool. Replays the envelope first if
 * that must be. VERDICT_OK: it has the text, for those of its recipients whose outcome is
 * VERDICT_OK. Otherwise there is no transaction with it any more. */
void hop_text(struct hop *hop, struct slice received, struct spool *spool, int64_t deadline,
              struct hop_outcome *outcome);

/* Sends the dot. 0, or -1: it was not sent, the hop has not got the message, and why is in the
 * outcome of its recipients. */
int hop_dot(struct hop *hop);

/* Waits for what it says of the message: to the outcomes of its recipients. In SMTP it is the same
 * for all. */
void hop_results(struct hop *hop, int64_t deadline);

/* The transaction with it is over. If it has the text but not the dot, that ends the connection. */
void hop_reset(struct hop *hop);

/* Ends the connection: with QUIT, if that can be. */
void hop_end(struct hop *hop);

#endif
