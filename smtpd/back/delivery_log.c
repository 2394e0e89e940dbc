#include "delivery_log.h"

#include "../base/clock.h"
#include "../wall/verdict.h"
#include "log.h"

#include <errno.h>
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

static void log_failure(const struct delivery *delivery, enum event event,
                        const struct delivery_target *target, const char *doing, const char *error,
                        enum verdict result)
{
    char mailbox[DIRECTORY_PATH_MAX], status[REPLY_STATUS_MAX];
    const struct delivery_outcome outcome = {
        .reply = reply_status(verdict_reply(result, REPLY_DELIVERED), status),
        .doing = doing,
        .mailbox = target == NULL ? NULL : mailbox,
        .error = error,
    };

    if (target != NULL)
        directory_mailbox(delivery->settings, &target->user, mailbox);
    delivery_log(delivery, event, &outcome);
}

void delivery_log_failure(const struct delivery *delivery, const struct delivery_target *target,
                          const char *doing, const char *error, enum verdict result)
{
    log_failure(delivery, EVENT_DEFERRED, target, doing, error, result);
}

enum verdict delivery_failed(const struct delivery *delivery, const struct delivery_target *target,
                             const char *doing)
{
    static const struct {
        int error;
        enum verdict result;
        const char *text;
    } results[] = {
        {ENOSPC, VERDICT_NO_SPACE, NULL},
        {EDQUOT, VERDICT_OVER_QUOTA, NULL},
        {EFBIG, VERDICT_OVER_QUOTA, NULL},
        {MBOX_OVER_QUOTA, VERDICT_OVER_QUOTA, "the quota set in users would be exceeded"},
        {MBOX_LOCKED, VERDICT_LOCKED, "another program holds its lock"},
        {MBOX_STRAY, VERDICT_MAILBOX, "what is named like it, with .undo behind, must be removed"},
        {MBOX_ABSENT, VERDICT_MAILBOX,
         "not there, and not ours to be made; as root: install -m 660 -o USER -g mail /dev/null "
         "MAILBOX"},
        {MBOX_UNSAFE, VERDICT_MAILBOX, "not a regular file with one name, or behind a link"},
        {EACCES, VERDICT_MAILBOX, NULL},
        {EPERM, VERDICT_MAILBOX, NULL},
        {EROFS, VERDICT_MAILBOX, NULL},
    };
    enum verdict result = VERDICT_FAILED;
    int error = errno;
    const char *text = NULL;

    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        if (results[i].error == error) {
            result = results[i].result;
            text = results[i].text;
        }
    }
    bool full = error == MBOX_OVER_QUOTA || error == EDQUOT; /* nothing is wrong with the system */
    log_failure(delivery, full ? EVENT_OVER_QUOTA : EVENT_DEFERRED, target, doing,
                text == NULL ? strerror(error) : text, result);
    return result;
}

void delivery_log_restored(const void *context, const struct undo_cut *cut)
{
    const struct delivery *delivery = context;
    char mailbox[DIRECTORY_PATH_MAX], size[NUMBER_MAX];

    directory_mailbox(delivery->settings, &delivery->locking->user, mailbox);
    log_event(EVENT_RESTORED, "mailbox", mailbox, "id", cut->id, "size",
              number(size, cut->to - cut->from), NULL);
}

void delivery_log_undo(const struct delivery *delivery, const struct delivery_target *target,
                       enum verdict result)
{
    const char *text = errno == MBOX_CHANGED ? "a program that heeds no lock has changed it: what "
                                               "there is of the message stays"
                                             : strerror(errno);

    delivery_log_failure(delivery, target, "undo", text, result);
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
