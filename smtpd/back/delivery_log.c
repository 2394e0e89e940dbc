#include "delivery_log.h"

#include "../base/clock.h"
#include "../wall/verdict.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_MAX = 24 };

static const char *number(char text[NUMBER_MAX], int64_t value)
{
    snprintf(text, NUMBER_MAX, "%" PRId64, value);
    return text;
}

/* Whose mailboxes it is in, as many as fit. */
static void list_users(const struct delivery *delivery, char *to, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < delivery->count; i++) {
        struct slice user = delivery->targets[i].user.address;
        if (delivery->targets[i].duplicate || user.len == 0)
            continue;
        if (user.len + 1 >= size - len)
            break;
        if (len > 0)
            to[len++] = '\n';
        memcpy(to + len, user.at, user.len);
        len += user.len;
    }
    to[len] = '\0';
}

void delivery_log(const struct delivery *delivery, enum event event,
                  const struct delivery_outcome *outcome)
{
    static char users[LOG_LIST_MAX];
    char sender[ADDRESS_TEXT_MAX], helo[WALL_HELO_MAX + 1], login[ADDRESS_KEY_MAX + 1];
    char recipients[NUMBER_MAX], size[NUMBER_MAX], receive[NUMBER_MAX], deliver[NUMBER_MAX];
    const struct delivery_client *client = &delivery->client;
    const struct secured *tls = client->tls;
    bool whole = delivery->committed > 0;

    address_write(&delivery->mail.sender, sender);
    *(char *)mempcpy(helo, delivery->mail.helo, delivery->mail.helo_len) = '\0';
    *(char *)mempcpy(login, client->user.at, client->user.len) = '\0';
    list_users(delivery, users, sizeof users);
    log_event(event, "id", delivery->id, "doing", outcome->doing, "mailbox", outcome->mailbox,
              "error", outcome->error, "sender", sender, "recipient[]", delivery->listed,
              "recipients", number(recipients, (int64_t)delivery->recipients), "reason",
              outcome->reason, "reply", outcome->reply, "size",
              number(size, (int64_t)delivery->message.size), "login",
              client->user.len > 0 ? login : NULL, "tls", tls->on ? tls->facts.protocol : NULL,
              "cipher", tls->on ? tls->facts.cipher : NULL, "helo", helo, "receive-ms",
              whole ? number(receive, delivery->committed - delivery->begun) : NULL, "deliver-ms",
              whole ? number(deliver, clock_ms() - delivery->committed) : NULL, "users[]",
              users[0] == '\0' ? NULL : users, NULL);
}

void delivery_log_failure(const struct delivery *delivery, const struct target *target,
                          const char *doing, const struct failure *failure)
{
    char mailbox[DIRECTORY_PATH_MAX], status[REPLY_STATUS_MAX];
    const struct delivery_outcome outcome = {
        .reply = reply_status(verdict_reply(failure->verdict, REPLY_DELIVERED), status),
        .doing = doing,
        .mailbox = target == NULL ? NULL : mailbox,
        .error = failure->error,
    };

    if (target != NULL)
        directory_mailbox(delivery->settings, &target->user, mailbox);
    delivery_log(delivery, failure->event, &outcome);
}

void delivery_log_result(const struct delivery *delivery, enum verdict result)
{
    char status[REPLY_STATUS_MAX];
    const struct delivery_outcome outcome = {
        .reply = reply_status(verdict_reply(result, REPLY_DELIVERED), status),
        .reason = verdict_word(result),
    };

    delivery_log(delivery, result == VERDICT_OK ? EVENT_DELIVERED : EVENT_REFUSED_MESSAGE,
                 &outcome);
}
