/*
 * milter_log: the events of filters (event.h).
 */
#ifndef MAILSLOT_MILTER_LOG_H
#define MAILSLOT_MILTER_LOG_H

#include "delivery_state.h"
#include "event.h"

struct milter_outcome;

/* NULL for what does not apply. */
struct milter_report {
    const char *filter;     /* the path of its socket */
    const char *step;       /* milter_outcome_step() */
    const char *reply;      /* to the client: code and enhanced code, */
    const char *said;       /* and text */
    const char *error;      /* why it has failed */
    const char *action;     /* what was done: the value of the setting that decided it */
    const char *recipient;  /* a list, a line each; NULL: all of the transaction */
    const char *reason;     /* for quarantine, or why a recipient that it has added was refused */
    const char *new_sender; /* what it has changed; lists, a line each */
    const char *added;
    const char *removed;
    const char *header;
    const char *body;
};

void milter_log(enum event milter_event, const struct delivery *delivery,
                const struct milter_report *report);

/* Logs that the filter with this path has refused or failed; nothing if outcome->given_up.
 * recipient: as above. */
void milter_log_outcome(const struct delivery *delivery, const char *filter,
                        const struct milter_outcome *outcome, const char *recipient);

/* The hand of the filter with this path has broken the rules of the wall. */
void milter_log_breach(const char *filter, const char *what);

#endif
