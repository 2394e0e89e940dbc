#include "delivery.h"

#include "../base/clock.h"
#include "../base/id.h"
#include "../mailbox/trace.h"
#include "delivery_lock.h"
#include "delivery_log.h"
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void refuse(struct delivery *delivery, enum verdict why)
{
    if (delivery->refused == VERDICT_OK)
        delivery->refused = why;
}

/* What mboxrd has made of the text. */
static void keep_text(void *context, const char *bytes, size_t len)
{
    struct delivery *delivery = context;

    if (delivery->refused == VERDICT_OK && spool_write(&delivery->spool, bytes, len) != 0)
        refuse(delivery, delivery_failed(delivery, NULL, "keep the message"));
}

void delivery_begin(struct delivery *delivery, const struct settings *settings,
                    const struct delivery_client *client, const struct wall_mail *mail)
{
    delivery->settings = settings;
    delivery->client = *client;
    delivery->mail = *mail;
    delivery->each = client->lmtp || mail->prdr;
    delivery->recipients = delivery->size = 0;
    delivery->targets = delivery->all;
    delivery->count = 0;
    delivery->refused = VERDICT_OK;
    delivery->header = (struct header){0};
    facts_begin(&delivery->facts, settings->session.hostname);
    mboxrd_begin(&delivery->mboxrd, keep_text, delivery);
    delivery->listed[0] = '\0';
    delivery->listed_len = 0;
    delivery->begun = clock_ms();
    delivery->committed = 0;
    id_make(delivery->id);
    spool_begin(&delivery->spool, settings->mail_root);
}

void delivery_abandon(struct delivery *delivery)
{
    spool_end(&delivery->spool);
}

/* Is it among the targets, from this one on? */
static bool has_mailbox(const struct delivery *delivery, size_t from,
                        const struct directory_user *user)
{
    for (size_t i = from; i < delivery->count; i++) {
        const struct directory_user *other = &delivery->targets[i].user;
        if (other->mailbox_len == user->mailbox_len &&
            memcmp(other->mailbox, user->mailbox, user->mailbox_len) == 0)
            return true;
    }
    return false;
}

/* As it was given, for the log, if there is room. */
static void list_recipient(struct delivery *delivery, const struct address *recipient)
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

/* Those of one recipient. */
static enum verdict add_mailboxes(struct delivery *delivery, struct database *db,
                                  struct directory_match match)
{
    struct directory_user user;
    size_t from = delivery->each ? delivery->count : 0;
    int more;

    while ((more = directory_next_user(db, &match, &user)) == 1) {
        if (user.disabled || has_mailbox(delivery, from, &user))
            continue;
        if (delivery->count == DIRECTORY_MAILBOXES_MAX)
            return VERDICT_TOO_MANY;
        enum verdict room = room_in_mailbox(delivery->settings, &user, delivery->mail.size);
        if (room != VERDICT_OK)
            return room;
        struct delivery_target *target = &delivery->targets[delivery->count++];
        target->user = user;
        target->loop = false;
        spool_goes_to(&delivery->spool, (struct slice){user.mailbox, user.mailbox_len});
        mbox_init(&target->mbox);
    }
    return more < 0 ? VERDICT_DATABASE : VERDICT_OK;
}

enum verdict delivery_add(struct delivery *delivery, struct database *db,
                          const struct address *recipient, const struct directory_match *match)
{
    size_t before = delivery->count;

    if (delivery->each && delivery->recipients == WALL_RESULTS_MAX)
        return VERDICT_TOO_MANY; /* so many have a mailbox each, and those are counted; but this is
                                 memory */
    enum verdict added = add_mailboxes(delivery, db, *match);
    if (added != VERDICT_OK) {
        delivery->count = before;
        return added;
    }
    if (delivery->each)
        delivery->parts[delivery->recipients] = (struct delivery_part){*recipient, delivery->count};
    delivery->recipient = *recipient;
    list_recipient(delivery, recipient);
    delivery->recipients++;
    return VERDICT_OK;
}

/* It comes back to this mailbox. The one reply is for all recipients, so the message is refused to
 * all; where each has a result, it may be new to the others. */
static void note_loop(struct delivery *delivery)
{
    const struct facts *facts = &delivery->facts;

    for (size_t i = 0; i < delivery->count; i++) {
        struct delivery_target *target = &delivery->targets[i];
        if (target->user.address_len != facts->delivered_len ||
            memcmp(target->user.address, facts->delivered, facts->delivered_len) != 0)
            continue;
        target->loop = true;
        if (!delivery->each)
            refuse(delivery, VERDICT_LOOP);
    }
}

/* What the message tells is read from it as it came; only then it is made fit for a mailbox. */
static void take_text(struct delivery *delivery, const char *text, size_t len)
{
    struct header_part part;

    while (len > 0 && delivery->refused == VERDICT_OK) {
        size_t taken = header_next(&delivery->header, text, len, &part);
        if (facts_part(&delivery->facts, &part))
            note_loop(delivery);
        mboxrd_part(&delivery->mboxrd, &part);
        text += taken;
        len -= taken;
    }
}

void delivery_text(struct delivery *delivery, const char *text, size_t len)
{
    delivery->size += len;
    if (delivery->size >
        delivery->settings->session.max_message_size + 1) /* a line end may be added */
        refuse(delivery, VERDICT_TOO_LARGE);
    take_text(delivery, text, len);
}

static int write_to(void *mbox, const char *bytes, size_t len)
{
    return mbox_write(mbox, bytes, len);
}

static int append(struct delivery *delivery, struct delivery_target *target,
                  const struct trace *trace)
{
    static char top[TRACE_MAX + 2];
    struct mbox *mbox = &target->mbox;
    struct address user;

    if (address_from_key(target->user.address, target->user.address_len, &user) != ADDRESS_OK) {
        errno = EPROTO;
        return -1;
    }
    size_t len = trace_write(top + 2, trace, &user);
    if (mbox_begin(mbox, len + delivery->spool.size, target->user.quota, delivery->id) != 0)
        return -1;
    char *start = top + 2 - mbox->separators;
    memset(start, '\n', (size_t)mbox->separators);
    len += (size_t)mbox->separators;
    if (mbox_write(mbox, start, len) != 0)
        return -1;
    return spool_copy(&delivery->spool, write_to, mbox);
}

static enum verdict append_all(struct delivery *delivery)
{
    char helo[WALL_HELO_MAX + 1];
    const struct secured *tls = delivery->client.tls;
    const struct trace_tls how = {tls->facts.protocol, tls->facts.cipher, tls->client};
    const struct trace trace = {
        .sender = &delivery->mail.sender,
        .recipient = delivery->recipients == 1 ? &delivery->recipient : NULL,
        .helo = helo,
        .peer = delivery->client.peer,
        .tls = tls->on ? &how : NULL,
        .authenticated = delivery->client.user_len > 0,
        .add_date = delivery->client.submission && !delivery->facts.has_date,
        .add_message_id = delivery->client.submission && !delivery->facts.has_message_id,
        .hostname = delivery->settings->session.hostname,
        .id = delivery->id,
        .lmtp = delivery->client.lmtp,
        .extended = delivery->mail.extended,
        .utf8 = delivery->mail.utf8,
        .time = time(NULL),
    };

    memcpy(helo, delivery->mail.helo, delivery->mail.helo_len);
    helo[delivery->mail.helo_len] = '\0';
    for (size_t i = 0; i < delivery->count; i++)
        if (append(delivery, &delivery->targets[i], &trace) != 0)
            return delivery_failed(delivery, &delivery->targets[i], "append");
    for (size_t i = 0; i < delivery->count; i++)
        if (mbox_sync(&delivery->targets[i].mbox) != 0)
            return delivery_failed(delivery, &delivery->targets[i], "sync");
    return VERDICT_OK;
}

static void end_text(struct delivery *delivery)
{
    if (header_in_line(&delivery->header))
        take_text(delivery, "\n", 1);
    mboxrd_end(&delivery->mboxrd);
    if (delivery->refused == VERDICT_OK && spool_finish(&delivery->spool) != 0)
        refuse(delivery, delivery_failed(delivery, NULL, "keep the message"));
}

static enum verdict deliver(struct delivery *delivery)
{
    enum verdict result = delivery_lock(delivery);
    if (result == VERDICT_OK)
        result = append_all(delivery);
    for (size_t i = 0; i < delivery->count; i++) {
        struct mbox *mbox = &delivery->targets[i].mbox;
        if (result == VERDICT_OK) {
            mbox_commit(mbox);
            mbox_unlock(mbox);
            continue;
        }
        delivery->locking = &delivery->targets[i];
        if (mbox_rollback(mbox) != 0)
            delivery_log_undo(delivery, &delivery->targets[i], result);
        mbox_close(mbox);
    }
    return result;
}

static bool has_loop(const struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++)
        if (delivery->targets[i].loop)
            return true;
    return false;
}

/* To the targets at work. */
static enum verdict commit(struct delivery *delivery)
{
    enum verdict result = has_loop(delivery) ? VERDICT_LOOP : delivery->refused;

    if (result == VERDICT_OK)
        result = deliver(delivery);
    if (result == VERDICT_OK || result == VERDICT_LOOP || result == VERDICT_TOO_LARGE)
        delivery_log_result(delivery, result);
    return result;
}

/* To one recipient behind the other. They share the time there is for locks, so that the
 * client has its answers before it has lost patience. */
static void commit_parts(struct delivery *delivery, struct wall_result *result)
{
    size_t begin = 0;

    result->count = (uint32_t)delivery->recipients;
    delivery->recipients = 1;
    for (size_t i = 0; i < result->count; i++) {
        const struct delivery_part *part = &delivery->parts[i];
        delivery->recipient = part->recipient;
        delivery->listed_len = 0;
        list_recipient(delivery, &part->recipient);
        delivery->targets = delivery->all + begin;
        delivery->count = part->end - begin;
        result->codes[i] = (uint8_t)commit(delivery);
        begin = part->end;
    }
}

void delivery_commit(struct delivery *delivery, struct wall_result *result)
{
    size_t count = delivery->count;

    *result = (struct wall_result){.count = 1};
    memcpy(result->id, delivery->id, sizeof result->id);
    delivery->committed = clock_ms();
    if (delivery->refused == VERDICT_OK)
        end_text(delivery);
    if (delivery->each)
        commit_parts(delivery, result);
    else
        result->codes[0] = (uint8_t)commit(delivery);
    for (size_t i = 0; i < count; i++)
        mbox_close(&delivery->all[i].mbox);
    spool_end(&delivery->spool);
}
