/*
 * milter_talk: the back's end of the wall to the hand of filters (../wall/milter.h).
 *
 * Whatever the hand reports is checked. If it breaks the rules that is logged, and the hand is
 * killed. Messages about a filter that was given up are ignored.
 */
#ifndef MAILSLOT_MILTER_TALK_H
#define MAILSLOT_MILTER_TALK_H

#include "milters.h"

/* What a filter is asked. Its answer must come within `milter-timeout`, which starts again each
 * time it reports progress. */
struct milter_question {
    size_t number; /* of the filter */
    enum milter_step step;
    size_t body_len;                      /* of milters->message */
    int64_t end;                          /* clock_ms(): when progress no longer helps */
    const struct milter_changes *changes; /* MILTER_END: who applies them */
};

/* Asks milters->message, and waits for the answer: milters->outcome, as milter_outcome_judge()
 * sets it. False: the filter has failed, and its state is FILTER_FAILED or _TOO_SLOW. Does not log
 * it. */
bool milter_talk(struct milters *milters, const struct milter_question *question);

/* Tells it that the transaction is over. */
void milter_talk_abort(struct milters *milters, size_t number);

/* Ends the hand, which sends QUIT to all filters. */
void milter_talk_end(struct milters *milters);

#endif
