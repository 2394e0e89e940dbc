#include "delivery.h"

#include "../base/clock.h"
#include "../base/id.h"
#include "delivery_filter.h"
#include "delivery_log.h"
#include "hops.h"
#include "milters.h"

#include <errno.h>
#include <string.h>

void delivery_refuse(struct delivery *delivery, enum verdict why)
{
    if (delivery->refused == VERDICT_OK)
        delivery->refused = why;
}

void delivery_refuse_by_errno(struct delivery *delivery)
{
    const struct failure failure = failure_of(errno);

    delivery_log_failure(delivery, NULL, "store the message", &failure);
    delivery_refuse(delivery, failure.verdict);
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
        if (!delivery->each && target->asked < DELIVERY_ADDED)
            delivery_refuse(delivery, VERDICT_LOOP);
    }
}

void delivery_init(struct delivery *delivery, struct database *db, struct hops *hops,
                   struct milters *milters)
{
    delivery->db = db;
    delivery->hops = hops;
    delivery->milters = milters;
    message_init(&delivery->message);
}

void delivery_begin(struct delivery *delivery, const struct settings *settings,
                    const struct delivery_client *client, const struct wall_mail *mail)
{
    delivery->settings = settings;
    delivery->client = *client;
    delivery->mail = *mail;
    delivery->sender = mail->sender;
    delivery->each = client->lmtp || mail->prdr;
    delivery->recipients = 0;
    delivery->targets = delivery->all;
    delivery->count = 0;
    delivery->refused = VERDICT_OK;
    delivery->discarded_by = NULL;
    delivery->interrupted = delivery->stopped = false;
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
    hops_reset(delivery->hops);
    milters_abort(delivery->milters);
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

void delivery_text(struct delivery *delivery, struct slice text)
{
    struct message *message = &delivery->message;
    uint64_t longest =
        delivery->settings->session.max_message_size + 1; /* a line end may be added */

    if (message->size == 0)
        delivery_filter_begin(delivery);
    if (message->size + text.len > longest)
        delivery_refuse(delivery, VERDICT_TOO_LARGE);
    if (delivery->refused != VERDICT_OK || delivery->discarded_by != NULL)
        message->size += text.len;
    else if (message_text(message, text) != 0)
        delivery_refuse_by_errno(delivery);
}
