#include "milter_step.h"

#include "milter_log.h"

#include <stdio.h>
#include <string.h>

/* ---- what it has said --------------------------------------------------------------------------
 */

static bool is_of_session(enum milter_step step)
{
    return step == MILTER_CONNECT || step == MILTER_HELO;
}

static void log_outcome(const struct milters *milters)
{
    const struct milter_outcome *outcome = &milters->outcome;
    const struct milter_event *event = &milters->event;
    char recipient[ADDRESS_TEXT_MAX];

    if (event->step == MILTER_RCPT) /* it is in brackets */
        snprintf(recipient, sizeof recipient, "%.*s", (int)strlen(event->strings) - 2,
                 event->strings + 1);
    milter_log_outcome(milters->delivery, milters->all[outcome->number].path, outcome,
                       event->step == MILTER_RCPT ? recipient : NULL);
}

/* With `milter-failure = accept` the transaction goes on, unless the client has gone. */
static enum verdict without_it(struct milters *milters)
{
    struct milter_outcome *outcome = &milters->outcome;
    bool accepts = milters->settings->milter_failure_accepts && !outcome->given_up;

    outcome->verdict = accepts ? VERDICT_OK : VERDICT_MILTER_UNAVAILABLE;
    return outcome->verdict;
}

enum verdict milter_step_failed(struct milters *milters)
{
    log_outcome(milters);
    return without_it(milters);
}

/* Has a connection that was kept from an earlier transaction been closed? It is made again. */
static bool is_stale(const struct milters *milters)
{
    return milters->kept && milters->outcome.reply.fault == MILTER_CLOSED;
}

static void accept(struct filter *filter, enum milter_step step)
{
    if (is_of_session(step))
        filter->state = FILTER_LEFT;
    else
        filter->done = true;
}

/* At connect and HELO there is nothing to discard: as in Postfix, it goes on. */
static void discard(struct milters *milters, struct filter *filter, enum milter_step step)
{
    milters->outcome.discard = !is_of_session(step) && !milters->event.refused;
    filter->done = !is_of_session(step);
    if (milters->outcome.discard)
        milters->delivery->discarded_by = filter->path;
}

static void refuse(struct milters *milters, struct filter *filter, enum milter_step step)
{
    if (is_of_session(step)) {
        filter->refused = step;
        filter->refusal = milters->outcome.reply;
    }
    if (!milters->event.refused)
        log_outcome(milters);
}

static enum verdict settle(struct milters *milters)
{
    const struct milter_outcome *outcome = &milters->outcome;
    struct filter *filter = &milters->all[outcome->number];
    enum milter_step step = outcome->reply.step;

    if (outcome->reply.answer == MILTER_ACCEPT)
        accept(filter, step);
    else if (outcome->reply.answer == MILTER_DISCARD)
        discard(milters, filter, step);
    else if (outcome->verdict != VERDICT_OK)
        refuse(milters, filter, step);
    return outcome->verdict;
}

/* ---- asking it ---------------------------------------------------------------------------------
 */

enum verdict milter_step_part(struct milters *milters, const struct milter_question *question)
{
    if (milter_talk(milters, question))
        return settle(milters);
    milters->stale = is_stale(milters);
    return milters->stale ? VERDICT_MILTER_UNAVAILABLE : milter_step_failed(milters);
}

/* It has failed before. */
static enum verdict still_failed(struct milters *milters, size_t number)
{
    milters->outcome.number = number;
    milter_outcome_fail(&milters->outcome, milters->event.step, "it has failed before");
    return without_it(milters);
}

static enum verdict still_refused(struct milters *milters, size_t number)
{
    milters->outcome.number = number;
    milters->outcome.reply = milters->all[number].refusal;
    milter_outcome_judge(&milters->outcome);
    log_outcome(milters);
    return milters->outcome.verdict;
}

static bool knows(const struct filter *filter, enum milter_step step)
{
    return (step == MILTER_CONNECT && filter->state == FILTER_IN_USE) ||
           (step == MILTER_HELO && filter->knows_helo);
}

static void note(struct filter *filter, enum milter_step step)
{
    if (step == MILTER_CONNECT)
        filter->state = FILTER_IN_USE;
    filter->knows_helo = filter->knows_helo || step == MILTER_HELO;
    filter->knows_mail = (filter->knows_mail || step == MILTER_MAIL) && step != MILTER_END;
}

bool milter_step_is_asked(const struct milters *milters, size_t number)
{
    const struct filter *filter = &milters->all[number];

    return filter->state != FILTER_LEFT && !filter->done;
}

enum verdict milter_step_event(struct milters *milters, size_t number, int64_t end,
                               const struct milter_changes *changes)
{
    struct filter *filter = &milters->all[number];
    struct milter_question question = {
        .number = number, .step = milters->event.step, .end = end, .changes = changes};

    milters->outcome = (struct milter_outcome){.number = number};
    if (!milter_step_is_asked(milters, number))
        return VERDICT_OK;
    if (filter->state >= FILTER_FAILED)
        return still_failed(milters, number);
    if (filter->refused != MILTER_IDLE)
        return still_refused(milters, number);
    if (knows(filter, milters->event.step))
        return VERDICT_OK;
    note(filter, milters->event.step);
    question.body_len = milter_event_write(&milters->event, number, &milters->message);
    return milter_step_part(milters, &question);
}
