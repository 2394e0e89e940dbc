/*
 * hop_log: what the log says about mail that is passed to another server (the events after
 * EVENT_RESTORED in event.h).
 */
#ifndef MAILSLOT_HOP_LOG_H
#define MAILSLOT_HOP_LOG_H

#include "delivery_state.h"
#include "event.h"

struct hop;
struct hop_outcome;

/* NULL and 0 for what does not apply. */
struct hop_report {
    const char *hop;       /* the path of its socket */
    const char *host;      /* its name */
    const char *step;      /* hop_step_word() */
    const char *error;     /* of the system, or what was wrong with its reply */
    unsigned code;         /* its reply: the code, */
    const char *said;      /* and the rest of it */
    const char *recipient; /* a list, a line each; NULL: all of the transaction */
    const char *target;    /* of an alias: where the hop was to deliver to */
    const char *missing;   /* a list of who does not have the message */
    const char *reply;     /* to the client: reply_status() */
    const char *helo;      /* of the client */
    const char *protocol;  /* between relay and smarthost: TLS, */
    const char *cipher;
    const char *verified; /* "yes", or "no" */
    bool with_size;       /* the size of the message, and the time since its end */
};

void hop_log(enum event hop_event, const struct delivery *delivery,
             const struct hop_report *report);

/* What the hop has said of these recipients: a list, a line each. Nothing if the client has hung
 * up, or the session is to stop, so that there was no time to say it. */
void hop_log_outcome(enum event event, const struct delivery *delivery, const struct hop *hop,
                     const struct hop_outcome *outcome, const char *recipients, const char *target);

/* The hand of the hop with this path has broken the rules of the wall. */
void hop_log_breach(const char *hop, const char *what);

#endif
