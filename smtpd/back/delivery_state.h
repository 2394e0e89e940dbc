/*
 * delivery_state: what is known of one mail transaction (delivery.h).
 */
#ifndef MAILSLOT_DELIVERY_STATE_H
#define MAILSLOT_DELIVERY_STATE_H

#include "../database/directory.h"
#include "../database/settings.h"
#include "../mailbox/message.h"
#include "../wall/wall.h"
#include "delivery_envelope.h"
#include "hop_outcome.h"
#include "log.h"
#include "secured.h"
#include "target.h"

struct hop;
struct hops;
struct milters;

/* Where messages come from. */
struct delivery_client {
    const char *peer;
    const struct secured *tls;
    struct slice user;  /* the key of the authenticated user, or empty */
    bool authenticated; /* by AUTH */
    bool lmtp;
    bool submission; /* add Date and Message-ID where they are missing (RFC 6409 8) */
};

/* Recipients that filters have added have numbers from here on. */
enum { DELIVERY_ADDED = 1 << 30 };

struct delivery {
    struct database *db;
    struct hops *hops;
    struct milters *milters;
    const struct settings *settings;
    struct delivery_client client;
    struct wall_mail mail;
    struct address sender; /* mail.sender, unless a filter has changed it */
    bool each;             /* recipient has a result of its own: in LMTP, or by PRDR */
    uint64_t recipients;
    struct address recipient; /* the last one accepted */
    struct {                  /* why a hop did not accept the last one that was not accepted */
        const struct hop *hop;
        struct hop_outcome outcome;
    } refusal;
    char listed[LOG_LIST_MAX]; /* for the log: a line each, as many as fit */
    size_t listed_len;
    int64_t begun, committed; /* clock_ms(); committed 0: the text is not complete */
    int64_t dot_by, reply_by; /* clock_ms(): when hops must have got the first dot, and replied */
    bool dotted;              /* a hop has got its dot: nothing turns back */
    enum verdict refused;     /* VERDICT_OK: not yet */
    const char *discarded_by; /* a filter: the path of its socket; NULL: not discarded */
    bool interrupted;         /* before it was delivered: the client has gone, or */
    bool stopped;             /* ... the session is to stop: the client gets no result */
    char id[ID_MAX];
    struct message message;
    struct target *targets; /* all; when a part is delivered: its mailboxes */
    size_t count;           /* so many */
    size_t total;           /* of all; known when the text is complete */
    struct target all[DIRECTORY_MAILBOXES_MAX];
    struct address asked[WALL_RESULTS_MAX]; /* the first recipients, as the client wrote them */
    struct delivery_envelope envelope;      /* set if filters look at the message */
};

#endif
