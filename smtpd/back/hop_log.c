#include "hop_log.h"

#include "../base/clock.h"

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
    log_event(hop_event, "id", delivery->id, "hop", report->hop, "host", report->host, "step",
              report->step, "error", report->error, "code",
              number(code, report->code, report->code), "said", report->said, "sender", sender,
              "recipient[]", report->recipient == NULL ? delivery->listed : report->recipient,
              "target", report->target, "missing[]", report->missing, "reply", report->reply,
              "size", number(size, report->with_size, (int64_t)delivery->message.size), "login",
              user.len > 0 ? login : NULL, "helo", report->helo, "tls", report->protocol, "cipher",
              report->cipher, "verified", report->verified, "deliver-ms",
              number(ms, report->with_size, clock_ms() - delivery->committed), NULL);
}

void hop_log_breach(const char *hop, const char *what)
{
    log_event(EVENT_HAND_BREACH, "hop", hop, "what", what, NULL);
}
