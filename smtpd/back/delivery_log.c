#include "delivery_log.h"

#include "../clock.h"
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

/* Whose mailboxes it is in, as many as there is room for. */
static void list_users(const struct delivery *delivery, char *to, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < delivery->count; i++) {
        const struct directory_user *user = &delivery->targets[i].user;
        if (user->address_len + 1 >= size - len)
            break;
        if (len > 0)
            to[len++] = '\n';
        memcpy(to + len, user->address, user->address_len);
        len += user->address_len;
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
    *(char *)mempcpy(login, client->user, client->user_len) = '\0';
    list_users(delivery, users, sizeof users);
    log_event(event, "id", delivery->id, "doing", outcome->doing, "mailbox", outcome->mailbox,
              "error", outcome->error, "sender", sender, "recipient[]", delivery->listed,
              "recipients", number(recipients, (int64_t)delivery->recipients), "reason",
              outcome->reason, "reply", outcome->reply, "size",
              number(size, (int64_t)delivery->size), "login", client->user_len > 0 ? login : NULL,
              "tls", tls->on ? tls->facts.protocol : NULL, "cipher",
              tls->on ? tls->facts.cipher : NULL, "helo", helo, "receive-ms",
              whole ? number(receive, delivery->committed - delivery->begun) : NULL, "deliver-ms",
              whole ? number(deliver, clock_ms() - delivery->committed) : NULL, "users[]",
              users[0] == '\0' ? NULL : users, NULL);
}
