#include "hop_log.h"

#include "../base/clock.h"
#include "hops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_MAX = 24 };

static const char *number(char text[NUMBER_MAX], bool wanted, int64_t value)
{
    snprintf(text, NUMBER_MAX, "%" PRId64, value);
    return wanted ? text : NULL;
}

void hop_log(enum event hop_event, const struct delivery *delivery, const struct hop_report *report)
{
    char sender[ADDRESS_TEXT_MAX], login[ADDRESS_KEY_MAX + 1];
    char code[NUMBER_MAX], size[NUMBER_MAX], ms[NUMBER_MAX];
    struct slice user = delivery->client.user;

    address_write(&delivery->mail.sender, sender);
    *(char *)mempcpy(login, user.at, user.len) = '\0';
    log_event(hop_event, "id", delivery->id, "sender", sender, "recipient[]",
              report->recipient == NULL ? delivery->listed : report->recipient, "target",
              report->target, "hop", report->hop, "host", report->host, "step", report->step,
              "error", report->error, "code", number(code, report->code, report->code), "said",
              report->said, "missing[]", report->missing, "reply", report->reply, "size",
              number(size, report->with_size, (int64_t)delivery->message.size), "login",
              user.len > 0 ? login : NULL, "helo", report->helo, "tls", report->protocol, "cipher",
              report->cipher, "verified", report->verified, "deliver-ms",
              number(ms, report->with_size, clock_ms() - delivery->committed), NULL);
}

/* The reply to the client, if the outcome is all that matters for it. */
static const char *reply_to_client(const struct hop_outcome *outcome,
                                   char text[static REPLY_STATUS_MAX])
{
    if (verdict_is_said(outcome->verdict))
        return hop_outcome_status(outcome, text);
    return reply_status(verdict_reply(outcome->verdict, REPLY_DELIVERED), text);
}

void hop_log_outcome(enum event event, const struct delivery *delivery, const struct hop *hop,
                     const struct hop_outcome *outcome, const char *recipients, const char *target)
{
    const struct wall_hop_reply *reply = &outcome->reply;
    bool good = outcome->verdict == VERDICT_OK, has_tls = good && *hop->offers.protocol != '\0';
    bool failed = outcome->verdict == VERDICT_HOP_UNAVAILABLE;
    char word[16], said[HOP_STATUS_MAX + HOP_TEXT_MAX], status[REPLY_STATUS_MAX];
    const struct hop_report report = {
        .hop = hop->path,
        .host = *hop->offers.host == '\0' ? NULL : hop->offers.host,
        .step = good ? NULL : hop_outcome_step(outcome, word),
        .error = !failed                  ? NULL
                 : outcome->error != NULL ? outcome->error
                                          : reply->text,
        .code = reply->code,
        .said = reply->code == 0 ? NULL : said,
        .recipient = recipients,
        .target = target,
        .reply = good || event == EVENT_TARGET_REFUSED ? NULL : reply_to_client(outcome, status),
        .protocol = has_tls ? hop->offers.protocol : NULL,
        .cipher = has_tls ? hop->offers.cipher : NULL,
        .verified = !has_tls               ? NULL
                    : hop->offers.verified ? "yes"
                                           : "no",
        .with_size = good,
    };

    snprintf(said, sizeof said, "%s%s%s", reply->status, *reply->status == '\0' ? "" : " ",
             reply->text);
    if (!outcome->given_up)
        hop_log(event, delivery, &report);
}

void hop_log_breach(const char *hop, const char *what)
{
    log_event(EVENT_HAND_BREACH, "hop", hop, "what", what, NULL);
}
