/*
 * milter_talk: the back's end of the wall to the hand of filters (../wall/milter.h).
 *
 * Whatever the hand reports is checked. If it breaks the rules that is logged, and the hand is
 * killed. What it still has to say of a filter that was given up is ignored.
 */
#ifndef MAILSLOT_MILTER_TALK_H
#define MAILSLOT_MILTER_TALK_H

#include "milters.h"

/* A filter is asked something. Its answer must come in `milter-timeout`; while it says that it is
 * still at work, that begins anew. */
struct milter_question {
    size_t number; /* of the filter */
    enum milter_step step;
    size_t body_len;                      /* of milters->message */
    int64_t end;                          /* of all patience: clock_ms() */
    const struct milter_changes *changes; /* MILTER_END: who applies them */
};

/* Asks milters->message, and waits for the answer: milters->outcome, as milter_outcome_judge()
 * sets it. False: the filter has failed, and its state says so. Logs nothing of that. */
bool milter_talk(struct milters *milters, const struct milter_question *question);

/* Tells it that the transaction is over. */
void milter_talk_abort(struct milters *milters, size_t number);

/* Ends the hand, which says goodbye to all filters. */
void milter_talk_end(struct milters *milters);

#endif
