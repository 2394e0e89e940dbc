/*
 * milter_outcome: what follows from the answer of a filter, or from its failure: for the client,
 * and for the log.
 */
#ifndef MAILSLOT_MILTER_OUTCOME_H
#define MAILSLOT_MILTER_OUTCOME_H

#include "../wall/verdict.h"
#include "../wall/wall.h"

#include <stdbool.h>
#include <stddef.h>

struct milter_outcome {
    enum verdict verdict; /* VERDICT_OK, VERDICT_MILTER_REFUSED, _DEFERRED, _CLOSING, or, of one
                             that has failed with `milter-failure = defer`, _UNAVAILABLE */
    size_t number;        /* of the filter that has decided */
    bool discard;         /* VERDICT_OK, and nobody gets the message */
    bool failed;          /* the filter has failed: none of its changes count */
    bool given_up;        /* it has failed because the client hung up or the session must stop */
    const char *error;    /* if it has failed: why, for the log */
    struct wall_milter_reply reply; /* checked; if it has failed, the step alone is set */
};

/* Sets everything else according to the reply. After a fault the verdict is
 * VERDICT_MILTER_UNAVAILABLE. */
void milter_outcome_judge(struct milter_outcome *outcome);

/* Sets everything for a filter that has failed without a reply. */
void milter_outcome_fail(struct milter_outcome *outcome, enum milter_step step, const char *error);

/* The step, as a word for the log. */
const char *milter_outcome_step(const struct milter_outcome *outcome);

/* If verdict_is_said(): its code and enhanced status code, as the client gets them. Returns to. */
const char *milter_outcome_status(const struct milter_outcome *outcome,
                                  char to[static REPLY_STATUS_MAX]);

/* The reply as the client gets it, and as a line of WALL_SAID without its LF: `550 5.7.1 No`, with
 * CR between the lines of the reply. Empty if the filter has no text of its own: verdict_reply()
 * is due. Returns its length. */
size_t milter_outcome_said(const struct milter_outcome *outcome,
                           char to[static MILTER_SAID_MAX + 1]);

#endif
