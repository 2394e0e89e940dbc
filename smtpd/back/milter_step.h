/*
 * milter_step: one step of a session or a message, with one filter: asks it, and notes in its state
 * what the answer means for later steps.
 */
#ifndef MAILSLOT_MILTER_STEP_H
#define MAILSLOT_MILTER_STEP_H

#include "milter_talk.h"

/* Asks a filter about milters->event. One that has accepted, refused or failed earlier is not asked
 * again, and the verdict follows from that. Logs refusals, and a failure when it happens. end:
 * clock_ms(). */
enum verdict milter_step_event(struct milters *milters, size_t number, int64_t end,
                               const struct milter_changes *changes);

/* The same for a part of the header or body, which is in milters->message already. */
enum verdict milter_step_part(struct milters *milters, const struct milter_question *question);

/* A filter has failed, as the outcome says: logs that, and returns what follows. */
enum verdict milter_step_failed(struct milters *milters);

/* Is it still asked about this transaction? */
bool milter_step_is_asked(const struct milters *milters, size_t number);

#endif
