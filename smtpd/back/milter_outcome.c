#include "milter_outcome.h"

#include <stdio.h>
#include <string.h>

static enum verdict verdict_of(const struct wall_milter_reply *reply)
{
    static const enum verdict verdicts[MILTER_ANSWERS] = {
        [MILTER_CONTINUE] = VERDICT_OK,
        [MILTER_ACCEPT] = VERDICT_OK,
        [MILTER_REJECT] = VERDICT_MILTER_REFUSED,
        [MILTER_TEMPFAIL] = VERDICT_MILTER_DEFERRED,
        [MILTER_DISCARD] = VERDICT_OK,
        [MILTER_SHUTDOWN] = VERDICT_MILTER_CLOSING,
    };

    return reply->code == 421 ? VERDICT_MILTER_CLOSING : verdicts[reply->answer];
}

void milter_outcome_judge(struct milter_outcome *outcome)
{
    static const char *const faults[MILTER_FAULTS] = {
        [MILTER_CLOSED] = "the connection was closed",
        [MILTER_MALFORMED] = "not a reply of the milter protocol",
        [MILTER_REFUSED] =
            "it does not speak the milter protocol, or only a version that cannot be used",
        [MILTER_DISORDER] = "events out of order",
        [MILTER_BAD_CHANGE] = "a change that is malformed, or that it has not negotiated",
    };
    const struct wall_milter_reply *reply = &outcome->reply;

    outcome->error = faults[reply->fault];
    outcome->failed = reply->fault != MILTER_SAID;
    outcome->verdict = outcome->failed ? VERDICT_MILTER_UNAVAILABLE : verdict_of(reply);
    outcome->discard = !outcome->failed && reply->answer == MILTER_DISCARD;
    outcome->given_up = false;
}

void milter_outcome_fail(struct milter_outcome *outcome, enum milter_step step, const char *error)
{
    *outcome = (struct milter_outcome){
        .verdict = VERDICT_MILTER_UNAVAILABLE,
        .number = outcome->number,
        .failed = true,
        .error = error,
        .reply = {.step = step},
    };
}

const char *milter_outcome_step(const struct milter_outcome *outcome)
{
    static const char *const steps[MILTER_STEPS] = {
        [MILTER_SOCKET] = "socket",      [MILTER_NEGOTIATE] = "negotiation",
        [MILTER_CONNECT] = "connect",    [MILTER_HELO] = "HELO",
        [MILTER_MAIL] = "MAIL",          [MILTER_RCPT] = "RCPT",
        [MILTER_DATA] = "DATA",          [MILTER_HEADER] = "header",
        [MILTER_EOH] = "end of header",  [MILTER_BODY] = "body",
        [MILTER_END] = "end of message", [MILTER_ABORT] = "abort",
        [MILTER_IDLE] = "idle",
    };

    return steps[outcome->reply.step];
}

const char *milter_outcome_status(const struct milter_outcome *outcome,
                                  char to[static REPLY_STATUS_MAX])
{
    const struct wall_milter_reply *reply = &outcome->reply;

    if (reply->code == 0)
        return reply_status(verdict_reply(outcome->verdict, REPLY_OK), to);
    snprintf(to, REPLY_STATUS_MAX, "%u %s", (unsigned)(reply->code % 1000), reply->status);
    return to;
}

/* Appends text, whose lines are separated by CR, to the len bytes in to, and truncates each line at
 * WALL_SAID_MAX bytes. Bytes other than printable ASCII become `?`, because clients without
 * SMTPUTF8 understand no others. */
static size_t add_lines(char *to, size_t len, const char *text)
{
    size_t begin = 0;

    for (; *text != '\0'; text++) {
        if (*text == '\r')
            begin = len + 1;
        if (len - begin < WALL_SAID_MAX || *text == '\r')
            to[len++] = *text == '\r' || (*text >= ' ' && *text <= '~') ? *text : '?';
    }
    to[len] = '\0';
    return len;
}

size_t milter_outcome_said(const struct milter_outcome *outcome,
                           char to[static MILTER_SAID_MAX + 1])
{
    char status[REPLY_STATUS_MAX];

    *to = '\0';
    if (outcome->reply.code == 0)
        return 0;
    int len = snprintf(to, MILTER_SAID_MAX + 1, "%s ", milter_outcome_status(outcome, status));
    return add_lines(to, (size_t)len, outcome->reply.text);
}
