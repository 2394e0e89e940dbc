/*
 * milter_step: one step of a session or a message, with one filter: what it says, and what that
 * means for it from now on.
 */
#ifndef MAILSLOT_MILTER_STEP_H
#define MAILSLOT_MILTER_STEP_H

#include "milter_talk.h"

/* Asks it milters->event, unless it is not to be asked any more: then this is what it has said, or
 * VERDICT_OK. Logs a refusal, and a failure when it happens. end: clock_ms(). */
enum verdict milter_step_event(struct milters *milters, size_t number, int64_t end,
                               const struct milter_changes *changes);

/* The same with a message that is in milters->message already, and belongs to the last event. */
enum verdict milter_step_part(struct milters *milters, const struct milter_question *question);

/* It has failed now, as the outcome says. Logs that. */
enum verdict milter_step_failed(struct milters *milters);

/* Does it want to hear of this transaction? */
bool milter_step_is_asked(const struct milters *milters, size_t number);

#endif
