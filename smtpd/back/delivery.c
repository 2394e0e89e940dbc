#include "delivery.h"

#include "../base/clock.h"
#include "../base/id.h"
#include "delivery_log.h"
#include "target_mbox.h"

#include <errno.h>
#include <string.h>

static void refuse(struct delivery *delivery, enum verdict why)
{
    if (delivery->refused == VERDICT_OK)
        delivery->refused = why;
}

void delivery_refuse_by_errno(struct delivery *delivery)
{
    const struct failure failure = failure_of(errno);

    delivery_log_failure(delivery, NULL, "store the message", &failure);
    refuse(delivery, failure.verdict);
}

/* The message has been in this mailbox before. The one reply is for all recipients, so the message
 * is refused to all; where each has a result, it may be new to the others. */
static void note_loop(void *context, struct slice address)
{
    struct delivery *delivery = context;

    for (size_t i = 0; i < delivery->count; i++) {
        struct target *target = &delivery->targets[i];
        if (!slice_equal(target->user.address, address))
            continue;
        target->loop = true;
        if (!delivery->each)
            refuse(delivery, VERDICT_LOOP);
    }
}

void delivery_init(struct delivery *delivery)
{
    message_init(&delivery->message);
}

void delivery_begin(struct delivery *delivery, const struct settings *settings,
                    const struct delivery_client *client, const struct wall_mail *mail)
{
    delivery->settings = settings;
    delivery->client = *client;
    delivery->mail = *mail;
    delivery->each = client->lmtp || mail->prdr;
    delivery->recipients = 0;
    delivery->targets = delivery->all;
    delivery->count = 0;
    delivery->refused = VERDICT_OK;
    delivery->stopped = false;
    delivery->listed[0] = '\0';
    delivery->listed_len = 0;
    delivery->begun = clock_ms();
    delivery->committed = 0;
    id_make(delivery->id);
    message_begin(&delivery->message, settings->session.hostname, settings->mail_root, note_loop,
                  delivery);
    if (client->submission)
        message_leave_out_bcc(&delivery->message);
}

void delivery_abandon(struct delivery *delivery)
{
    message_drop(&delivery->message);
}

/* Is it among the targets, from this one on? */
static bool has_mailbox(const struct delivery *delivery, size_t from, struct slice mailbox)
{
    for (size_t i = from; i < delivery->count; i++)
        if (slice_equal(delivery->targets[i].user.mailbox, mailbox))
            return true;
    return false;
}

void delivery_list(struct delivery *delivery, const struct address *recipient)
{
    char text[ADDRESS_TEXT_MAX];
    size_t len = address_write(recipient, text);
    bool first = delivery->listed_len == 0;

    if (sizeof delivery->listed - delivery->listed_len <= len + !first)
        return;
    if (!first)
        delivery->listed[delivery->listed_len++] = '\n';
    memcpy(delivery->listed + delivery->listed_len, text, len + 1);
    delivery->listed_len += len;
}

/* Adds the targets of one recipient. */
static enum verdict add_targets(struct delivery *delivery, struct database *db,
                                struct directory_match match)
{
    struct directory_target found;
    size_t from = delivery->each ? delivery->count : 0;
    int more;

    while ((more = directory_next_target(db, &match, &found)) == 1) {
        if (found.user.disabled || has_mailbox(delivery, from, found.user.mailbox))
            continue;
        if (found.kind != DIRECTORY_MAILBOX)
            return VERDICT_FAILED;
        if (delivery->count == DIRECTORY_MAILBOXES_MAX)
            return VERDICT_TOO_MANY;
        struct target *target = &delivery->targets[delivery->count];
        *target = (struct target){
            .kind = &target_mbox,
            .settings = delivery->settings,
            .user = found.user,
            .asked = (size_t)delivery->recipients,
            .part = delivery->each ? (size_t)delivery->recipients : 0,
        };
        enum verdict verdict = target->kind->mailbox->ask(target, delivery->mail.size);
        if (verdict != VERDICT_OK)
            return verdict;
        delivery->count++;
    }
    return more < 0 ? VERDICT_DATABASE : VERDICT_OK;
}

enum verdict delivery_add(struct delivery *delivery, struct database *db,
                          const struct address *recipient, const struct directory_match *match)
{
    size_t before = delivery->count;

    /* Where each has a result, most recipients have a mailbox of their own, and those are counted;
     * but those without one need memory too. */
    if (delivery->each && delivery->recipients == WALL_RESULTS_MAX)
        return VERDICT_TOO_MANY;
    enum verdict added = add_targets(delivery, db, *match);
    if (added != VERDICT_OK) {
        delivery->count = before;
        return added;
    }
    for (size_t i = before; i < delivery->count; i++)
        message_goes_to(&delivery->message, delivery->targets[i].user.mailbox);
    if (delivery->recipients < WALL_RESULTS_MAX)
        delivery->asked[delivery->recipients] = *recipient;
    delivery->recipient = *recipient;
    delivery_list(delivery, recipient);
    delivery->recipients++;
    return VERDICT_OK;
}

void delivery_text(struct delivery *delivery, struct slice text)
{
    struct message *message = &delivery->message;
    uint64_t longest =
        delivery->settings->session.max_message_size + 1; /* a line end may be added */

    if (message->size + text.len > longest)
        refuse(delivery, VERDICT_TOO_LARGE);
    if (delivery->refused != VERDICT_OK)
        message->size += text.len;
    else if (message_text(message, text) != 0)
        delivery_refuse_by_errno(delivery);
}
