#include "milter_log.h"

#include "../database/settings.h"
#include "milter_outcome.h"

#include <string.h>

void milter_log(enum event milter_event, const struct delivery *delivery,
                const struct milter_report *report)
{
    char sender[ADDRESS_TEXT_MAX], login[ADDRESS_KEY_MAX + 1], helo[WALL_HELO_MAX + 1];
    struct slice user = delivery->client.user;
    const char *recipients = report->recipient;

    address_write(&delivery->mail.sender, sender);
    *(char *)mempcpy(login, user.at, user.len) = '\0';
    *(char *)mempcpy(helo, delivery->mail.helo, delivery->mail.helo_len) = '\0';
    if (recipients == NULL && delivery->listed_len > 0)
        recipients = delivery->listed;
    log_event(milter_event, "id", delivery->id, "filter", report->filter, "step", report->step,
              "error", report->error, "reply", report->reply, "said", report->said, "reason",
              report->reason, "do", report->action, "sender", sender, "recipient[]", recipients,
              "new-sender", report->new_sender, "added[]", report->added, "removed[]",
              report->removed, "header", report->header, "body", report->body, "login",
              user.len > 0 ? login : NULL, "helo", helo, NULL);
}

/* One line, without the codes; NULL: the filter had no text of its own. */
static const char *said(const struct milter_outcome *outcome, char text[MILTER_TEXT_MAX])
{
    if (outcome->reply.code == 0)
        return NULL;
    strcpy(text, outcome->reply.text);
    for (char *cr = text; (cr = strchr(cr, '\r')) != NULL;)
        *cr = ' ';
    return text;
}

void milter_log_outcome(const struct delivery *delivery, const char *filter,
                        const struct milter_outcome *outcome, const char *recipient)
{
    bool accepts = delivery->settings->milter_failure_accepts;
    char status[REPLY_STATUS_MAX], text[MILTER_TEXT_MAX];
    struct milter_report report = {
        .filter = filter,
        .step = milter_outcome_step(outcome),
        .recipient = recipient,
    };

    if (outcome->given_up)
        return;
    if (outcome->failed) {
        report.error = outcome->error;
        report.action = accepts ? "accept" : "defer";
        milter_log(EVENT_FILTER_UNAVAILABLE, delivery, &report);
    } else {
        report.reply = milter_outcome_status(outcome, status);
        report.said = said(outcome, text);
        milter_log(EVENT_REFUSED_BY_FILTER, delivery, &report);
    }
}

void milter_log_breach(const char *filter, const char *what)
{
    log_event(EVENT_HAND_BREACH, "filter", filter, "what", what, NULL);
}
