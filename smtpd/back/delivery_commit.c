#include "../base/clock.h"
#include "delivery.h"
#include "delivery_filter.h"
#include "delivery_log.h"
#include "delivery_marks.h"
#include "delivery_result.h"
#include "hop_log.h"
#include "hops.h"
#include "milter_log.h"
#include "milters.h"
#include "reach.h"
#include "wait.h"

#include <string.h>
#include <time.h>

/* Of a client's patience with its final dot, 10 minutes (RFC 5321 section 4.5.3.2.6) or, of many
 * programs of users, little more than one. */
enum {
    DOT_SECONDS = 300,
    DOT_SECONDS_OF_SUBMISSION = 60,
    REPLY_SECONDS = 540,
};

/* What targets need to know. */
struct briefing {
    char helo[WALL_HELO_MAX + 1], received[TRACE_MAX];
    struct trace_tls tls;
    struct trace trace;
    struct target_message message;
};

static void end_text(struct delivery *delivery)
{
    if (delivery->refused != VERDICT_OK || delivery->discarded_by != NULL)
        return;
    if (delivery->message.size == 0)
        delivery_filter_begin(delivery);
    if (message_end(&delivery->message) != 0)
        delivery_refuse_by_errno(delivery);
    else
        delivery_filter(delivery);
}

/* Hops, and locks, may have taken all of the time that the client waits. */
static enum verdict check_time(const struct delivery *delivery)
{
    char status[REPLY_STATUS_MAX];
    const struct hop_report report = {
        .step = "dot",
        .error = "no time is left",
        .reply = reply_status(verdict_reply(VERDICT_HOP_UNAVAILABLE, REPLY_DELIVERED), status),
    };

    if (clock_ms() < delivery->dot_by)
        return VERDICT_OK;
    hop_log(EVENT_HOP_UNAVAILABLE, delivery, &report);
    return VERDICT_HOP_UNAVAILABLE;
}

bool delivery_is_interrupted(struct delivery *delivery)
{
    enum wait wait = delivery->interrupted ? WAIT_READY : wait_look();

    if (wait != WAIT_READY) {
        delivery->interrupted = true;
        delivery->stopped = wait == WAIT_STOPPED;
        const struct delivery_outcome outcome = {
            .reason = end_word(delivery->stopped ? END_STOPPED : END_CLOSED)};
        delivery_log(delivery, EVENT_INTERRUPTED, &outcome);
    }
    return delivery->interrupted;
}

static enum verdict last_moment(struct delivery *delivery)
{
    return delivery_is_interrupted(delivery) ? VERDICT_FAILED : check_time(delivery);
}

static void brief(struct briefing *briefing, struct delivery *delivery, int64_t locks_until)
{
    const struct header_facts *facts = &delivery->message.facts;
    const struct secured *tls = delivery->client.tls;
    bool completes = delivery->client.submission && !delivery->message.draft.begun;

    *(char *)mempcpy(briefing->helo, delivery->mail.helo, delivery->mail.helo_len) = '\0';
    briefing->tls = (struct trace_tls){tls->facts.protocol, tls->facts.cipher, tls->client};
    briefing->trace = (struct trace){
        .sender = &delivery->sender,
        .recipient = delivery->recipients == 1 ? &delivery->recipient : NULL,
        .helo = briefing->helo,
        .peer = delivery->client.authenticated && delivery->settings->hide_client_address
                    ? NULL
                    : delivery->client.peer,
        .tls = tls->on ? &briefing->tls : NULL,
        .authenticated = delivery->client.authenticated,
        .add_date = completes && !facts->has_date,
        .add_message_id = completes && !facts->has_message_id,
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

/* To other servers. If no dot was sent, nothing is anywhere: a client that has gone meanwhile sends
 * the message again. */
static void deliver_to_hops(struct delivery *delivery, int64_t locks_until)
{
    struct briefing briefing;
    int64_t patience = delivery->client.submission ? DOT_SECONDS_OF_SUBMISSION : DOT_SECONDS;

    delivery->dotted = delivery->interrupted = false;
    delivery->dot_by = delivery->committed + patience * 1000;
    delivery->reply_by = delivery->committed + (int64_t)REPLY_SECONDS * 1000;
    wait_commit(false);
    delivery_marks_read(delivery);
    brief(&briefing, delivery, locks_until);
    reach(&briefing.message, delivery->all, delivery->total);
    if (!delivery->dotted && delivery_is_interrupted(delivery))
        target_refuse(delivery->all, delivery->total, VERDICT_FAILED);
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

/* Other failures were logged where they were found. */
static bool is_logged_here(enum verdict result)
{
    return result == VERDICT_OK || result == VERDICT_LOOP || result == VERDICT_TOO_LARGE ||
           result == VERDICT_HOP_8BITMIME || result == VERDICT_HOP_SMTPUTF8 ||
           result == VERDICT_HEADER_TOO_LARGE;
}

/* Have filters removed the recipient, without adding another one to this part? */
static bool is_removed(const struct delivery *delivery, size_t part)
{
    bool removed = delivery->each && delivery->message.draft.begun && delivery->envelope.changed &&
                   delivery->envelope.removed[part];

    for (size_t i = 0; i < delivery->total && removed; i++)
        removed = delivery->all[i].part != part;
    return removed;
}

static enum verdict commit_part(struct delivery *delivery, size_t part, int64_t locks_until)
{
    struct briefing briefing;

    if (is_removed(delivery, part))
        return delivery->refused;
    if (delivery->count > 0 && delivery->refused == VERDICT_OK) {
        brief(&briefing, delivery, locks_until);
        target_deliver(&briefing.message, delivery->targets, delivery->count,
                       target_is_begun(delivery->all, delivery->total, part));
    }
    enum verdict result = delivery_result(delivery, part);
    bool is_logged = result == VERDICT_OK && is_passed_on_only(delivery, part);
    if (delivery_is_partial(delivery, part))
        delivery_log_partial(delivery, part);
    else if (!is_logged && is_logged_here(result))
        delivery_log_result(delivery, result);
    return result;
}

/* Mailboxes of one part after the other. They share the time to wait for locks, so that the client
 * gets its replies before it gives up. */
static void commit_parts(struct delivery *delivery, struct wall_result *result, int64_t locks_until)
{
    struct target *next = delivery->all;

    for (size_t left = delivery->total; left > 0 && next->kind->mailbox == NULL; left--)
        next++;
    for (size_t part = 0; part < result->count; part++) {
        choose_part(delivery, part, next);
        result->codes[part] = (uint8_t)commit_part(delivery, part, locks_until);
        next += delivery->count;
    }
}

/* Somebody has the message, and the client does not get to know that. */
static bool is_unheard(const struct delivery *delivery)
{
    bool begun = false;

    for (size_t i = 0; i < delivery->total; i++)
        begun = begun || delivery->all[i].state == TARGET_DELIVERED;
    bool unheard = begun && delivery->dotted && wait_client_gone();

    if (unheard)
        hop_log(EVENT_UNHEARD, delivery, &(const struct hop_report){0});
    return unheard;
}

static int64_t lock_timeout(const struct delivery *delivery)
{
    return (int64_t)delivery->settings->lock_timeout * 1000;
}

/* After hops or filters have taken time. After a signal to stop there is less time for locks. */
static int64_t locks_from_now(const struct delivery *delivery)
{
    int64_t end = clock_ms() + lock_timeout(delivery);
    int64_t stop = wait_stopped() + (int64_t)WAIT_STOPPING_SECONDS * 1000;

    return wait_stopped() != 0 && stop < end ? stop : end;
}

static void commit(struct delivery *delivery, struct wall_result *result)
{
    int64_t locks_until = delivery->message.draft.begun
                              ? locks_from_now(delivery)
                              : delivery->committed + lock_timeout(delivery);
    bool has_hops =
        reach_is_needed(delivery->all, delivery->total) && delivery->refused == VERDICT_OK;

    refuse_targets(delivery);
    if (has_hops) {
        deliver_to_hops(delivery, locks_until);
        locks_until = locks_from_now(delivery);
    }
    commit_parts(delivery, result, locks_until);
    if (has_hops)
        delivery_marks_write(delivery, is_unheard(delivery));
}

void delivery_commit(struct delivery *delivery, struct wall_result *result)
{
    *result = (struct wall_result){.count = delivery->each ? (uint32_t)delivery->recipients : 1};
    memcpy(result->id, delivery->id, sizeof result->id);
    delivery->committed = clock_ms();
    end_text(delivery);
    delivery->total = delivery->count;
    if (delivery->discarded_by != NULL && delivery->refused == VERDICT_OK) {
        milter_log(EVENT_DISCARDED, delivery,
                   &(const struct milter_report){.filter = delivery->discarded_by});
    } else {
        target_sort(delivery->all, delivery->total);
        commit(delivery, result);
        target_close(delivery->all, delivery->total);
    }
    message_drop(&delivery->message);
    hops_reset(delivery->hops);
    milters_abort(delivery->milters);
    wait_commit(false);
}
