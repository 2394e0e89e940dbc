/*
 * hop_outcome: what became of something that a hop was asked: for the client, and for the log.
 */
#ifndef MAILSLOT_HOP_OUTCOME_H
#define MAILSLOT_HOP_OUTCOME_H

#include "../wall/verdict.h"
#include "../wall/wall.h"

#include <stdbool.h>
#include <stddef.h>

struct hop_outcome {
    enum verdict verdict;        /* VERDICT_OK; VERDICT_HOP_REFUSED, _DEFERRED or _UNAVAILABLE */
    bool uncertain;              /* the dot was sent, and the reply was lost */
    bool given_up;               /* the client has hung up, or the session is to stop */
    const char *error;           /* why there is no reply, for the log; NULL: the reply says why */
    struct wall_hop_reply reply; /* checked; with an error, step alone must be set */
};

/* What a reply from a hand means: sets the verdict, and the error if there was a fault. */
void hop_outcome_judge(struct hop_outcome *outcome);

/* There is no reply. */
void hop_outcome_fail(struct hop_outcome *outcome, enum hop_step step, const char *error);

/* Has the hop said the same? */
bool hop_outcome_is_same(const struct hop_outcome *a, const struct hop_outcome *b);

/* The step, as a word for the log. A relay begins the text of its greeting with `WORD: ` if it
 * cannot reach its smarthost: that word. */
const char *hop_outcome_step(const struct hop_outcome *outcome, char word[static 16]);

/* Its code and enhanced status code, as the client gets them: `550 5.1.1`. Returns to. */
const char *hop_outcome_status(const struct hop_outcome *outcome, char to[static REPLY_STATUS_MAX]);

/* The reply as the client gets it, and as a line of WALL_SAID: `550 5.1.1 No such user`. Not for
 * an outcome without a reply. Returns its length. */
size_t hop_outcome_said(const struct hop_outcome *outcome, char to[static WALL_SAID_MAX + 1]);

#endif
