#include "../base/clock.h"
#include "delivery.h"
#include "delivery_log.h"
#include "delivery_marks.h"
#include "delivery_result.h"
#include "reach.h"

#include <string.h>
#include <time.h>

/* What targets are told. */
struct briefing {
    char helo[WALL_HELO_MAX + 1], received[TRACE_MAX];
    struct trace_tls tls;
    struct trace trace;
    struct target_message message;
};

static void end_text(struct delivery *delivery)
{
    if (delivery->refused == VERDICT_OK && message_end(&delivery->message) != 0)
        delivery_refuse_by_errno(delivery);
}

/* Before the first dot of a hop. */
static enum verdict last_moment(struct delivery *delivery)
{
    (void)delivery;
    return VERDICT_OK;
}

static void brief(struct briefing *briefing, struct delivery *delivery, int64_t locks_until)
{
    const struct header_facts *facts = &delivery->message.facts;
    const struct secured *tls = delivery->client.tls;

    *(char *)mempcpy(briefing->helo, delivery->mail.helo, delivery->mail.helo_len) = '\0';
    briefing->tls = (struct trace_tls){tls->facts.protocol, tls->facts.cipher, tls->client};
    briefing->trace = (struct trace){
        .sender = &delivery->mail.sender,
        .recipient = delivery->recipients == 1 ? &delivery->recipient : NULL,
        .helo = briefing->helo,
        .peer = delivery->client.authenticated && delivery->settings->hide_client_address
                    ? NULL
                    : delivery->client.peer,
        .tls = tls->on ? &briefing->tls : NULL,
        .authenticated = delivery->client.authenticated,
        .add_date = delivery->client.submission && !facts->has_date,
        .add_message_id = delivery->client.submission && !facts->has_message_id,
        .hostname = delivery->settings->session.hostname,
        .id = delivery->id,
        .lmtp = delivery->client.lmtp,
        .extended = delivery->mail.extended,
        .utf8 = delivery->mail.utf8,
        .time = time(NULL),
    };
    briefing->message = (struct target_message){
        .id = delivery->id,
        .trace = &briefing->trace,
        .received = {briefing->received, trace_received(briefing->received, &briefing->trace)},
        .text = &delivery->message,
        .deadline = locks_until,
        .first = delivery->all,
        .failed = delivery_log_failure,
        .last_moment = last_moment,
        .delivery = delivery,
    };
}

/* The message was refused while it came, or has been at a target before. */
static void refuse_targets(struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->total; i++)
        if (delivery->all[i].loop)
            target_refuse(&delivery->all[i], 1, VERDICT_LOOP);
    if (delivery->refused != VERDICT_OK)
        target_refuse(delivery->all, delivery->total, delivery->refused);
    target_end_parts(delivery->all, delivery->total);
}

static int64_t lock_timeout(const struct delivery *delivery)
{
    return (int64_t)delivery->settings->lock_timeout * 1000;
}

/* To other servers, where there are any. Returns when to give up waiting for locks afterwards. */
static int64_t deliver_to_hops(struct delivery *delivery)
{
    struct briefing briefing;
    int64_t until = delivery->committed + lock_timeout(delivery);

    if (!reach_is_needed(delivery->all, delivery->total))
        return until;
    delivery_marks_read(delivery);
    brief(&briefing, delivery, until);
    reach(&briefing.message, delivery->all, delivery->total);
    return clock_ms() + lock_timeout(delivery);
}

/* From here on, the log speaks of this part. Its mailboxes are those from `next` on. */
static void choose_part(struct delivery *delivery, size_t part, struct target *next)
{
    size_t left = (size_t)(delivery->all + delivery->total - next);

    delivery->targets = next;
    delivery->count = left > 0 && next->part == part ? target_group(next, left) : 0;
    if (!delivery->each)
        return;
    delivery->recipients = 1;
    delivery->recipient = delivery->asked[part];
    delivery->listed_len = 0;
    delivery_list(delivery, &delivery->recipient);
}

static bool is_passed_on_only(const struct delivery *delivery, size_t part)
{
    bool has_hop = false;

    for (size_t i = 0; i < delivery->total && delivery->count == 0; i++)
        has_hop = has_hop || delivery->all[i].part == part;
    return has_hop;
}

static enum verdict commit_part(struct delivery *delivery, size_t part, int64_t locks_until)
{
    struct briefing briefing;

    if (delivery->count > 0 && delivery->refused == VERDICT_OK) {
        brief(&briefing, delivery, locks_until);
        target_deliver(&briefing.message, delivery->targets, delivery->count,
                       target_is_begun(delivery->all, delivery->total, part));
    }
    enum verdict result = delivery_result(delivery, part);
    bool is_logged = result == VERDICT_OK && is_passed_on_only(delivery, part);
    if (delivery_is_partial(delivery, part))
        delivery_log_partial(delivery, part, result);
    else if (!is_logged &&
             (result == VERDICT_OK || result == VERDICT_LOOP || result == VERDICT_TOO_LARGE))
        delivery_log_result(delivery, result);
    return result;
}

/* Mailboxes of one part after the other. They share the time to wait for locks, so that the client
 * gets its replies before it gives up. */
static void commit(struct delivery *delivery, struct wall_result *result)
{
    refuse_targets(delivery);
    int64_t locks_until = deliver_to_hops(delivery);
    struct target *next = delivery->all;

    for (size_t left = delivery->total; left > 0 && next->kind->mailbox == NULL; left--)
        next++;
    for (size_t part = 0; part < result->count && !delivery->stopped; part++) {
        choose_part(delivery, part, next);
        result->codes[part] = (uint8_t)commit_part(delivery, part, locks_until);
        next += delivery->count;
    }
    if (reach_is_needed(delivery->all, delivery->total))
        delivery_marks_write(delivery, false);
}

void delivery_commit(struct delivery *delivery, struct wall_result *result)
{
    *result = (struct wall_result){.count = delivery->each ? (uint32_t)delivery->recipients : 1};
    memcpy(result->id, delivery->id, sizeof result->id);
    delivery->committed = clock_ms();
    delivery->total = delivery->count;
    end_text(delivery);
    target_sort(delivery->all, delivery->total);
    commit(delivery, result);
    target_close(delivery->all, delivery->total);
    message_drop(&delivery->message);
}
