#include "hop_outcome.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Steps at which what the hop says is about us, and no concern of the client's. */
static bool is_before_mail(uint32_t step)
{
    return step == HOP_CONNECT || step == HOP_GREETING || step == HOP_HELLO || step == HOP_RESET;
}

static enum verdict verdict_of(const struct wall_hop_reply *reply)
{
    uint32_t class = reply->code / 100;
    bool wants_password = reply->code / 10 == 53;

    if (class == 2 || (reply->step == HOP_DATA && reply->code == 354))
        return VERDICT_OK;
    if (is_before_mail(reply->step) || wants_password || class == 3)
        return VERDICT_HOP_UNAVAILABLE;
    return class == 4 ? VERDICT_HOP_DEFERRED : VERDICT_HOP_REFUSED;
}

void hop_outcome_judge(struct hop_outcome *outcome)
{
    static const char *const faults[HOP_FAULTS] = {
        [HOP_CLOSED] = "the connection was closed",
        [HOP_MALFORMED] = "not an SMTP reply",
        [HOP_AHEAD] = "a reply before its command",
        [HOP_DISORDER] = "commands out of order",
    };
    const struct wall_hop_reply *reply = &outcome->reply;

    outcome->error = faults[reply->fault];
    outcome->verdict =
        reply->fault != HOP_SAID ? VERDICT_HOP_UNAVAILABLE : verdict_of(&outcome->reply);
    outcome->uncertain = reply->fault != HOP_SAID && reply->step == HOP_DOT;
    outcome->given_up = false;
}

void hop_outcome_fail(struct hop_outcome *outcome, enum hop_step step, const char *error)
{
    *outcome = (struct hop_outcome){
        .verdict = VERDICT_HOP_UNAVAILABLE,
        .error = error,
        .reply = {.step = step},
    };
}

bool hop_outcome_is_same(const struct hop_outcome *a, const struct hop_outcome *b)
{
    return a->verdict == b->verdict && a->uncertain == b->uncertain && a->error == b->error &&
           a->reply.code == b->reply.code && strcmp(a->reply.status, b->reply.status) == 0 &&
           strcmp(a->reply.text, b->reply.text) == 0;
}

const char *hop_outcome_step(const struct hop_outcome *outcome, char word[static 16])
{
    static const char *const steps[HOP_STEPS] = {
        [HOP_CONNECT] = "connect", [HOP_GREETING] = "greeting", [HOP_HELLO] = "EHLO",
        [HOP_RESET] = "RSET",      [HOP_MAIL] = "MAIL",         [HOP_RCPT] = "RCPT",
        [HOP_DATA] = "DATA",       [HOP_TEXT] = "text",         [HOP_DOT] = "dot",
        [HOP_IDLE] = "idle",
    };
    /* The relay greets with `smarthost HOST: STEP: REASON` (mailslot-relay(8)), or, if it has no
     * database, `settings: REASON`. */
    static const char *const of_relay[] = {"settings", "look-up", "connect", "TLS", "log-in"};
    const struct wall_hop_reply *reply = &outcome->reply;
    const char *after = strncmp(reply->text, "smarthost ", strlen("smarthost ")) == 0
                            ? strstr(reply->text, ": ")
                            : NULL;

    if (reply->step == HOP_GREETING &&
        strncmp(reply->text, "settings: ", strlen("settings: ")) == 0)
        return of_relay[0];
    for (size_t i = 0; after != NULL && i < sizeof of_relay / sizeof of_relay[0]; i++) {
        int len = snprintf(word, 16, "%s: ", of_relay[i]);
        if (reply->step == HOP_GREETING && strncmp(after + 2, word, (size_t)len) == 0)
            return of_relay[i];
    }
    return steps[reply->step];
}

/* 421 would tell the client that we close the connection. */
const char *hop_outcome_status(const struct hop_outcome *outcome, char to[static REPLY_STATUS_MAX])
{
    const struct wall_hop_reply *reply = &outcome->reply;

    snprintf(to, REPLY_STATUS_MAX, "%" PRIu32 " %s", reply->code == 421 ? 451 : reply->code,
             reply->status);
    return to;
}

/* Without SMTPUTF8 a client need not understand more than ASCII. */
size_t hop_outcome_said(const struct hop_outcome *outcome, char to[static WALL_SAID_MAX + 1])
{
    char status[REPLY_STATUS_MAX];
    int len = snprintf(to, WALL_SAID_MAX + 1, "%s %s", hop_outcome_status(outcome, status),
                       outcome->reply.text);

    for (char *c = to; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return (size_t)len;
}
