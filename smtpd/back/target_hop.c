#include "target_hop.h"

#include "../base/clock.h"
#include "hop_log.h"
#include "hops.h"

#include <stdio.h>
#include <string.h>

enum { RELAYS = 1, STORES = 2 }; /* before mailboxes */

/* ---- one target --------------------------------------------------------------------------------
 */

static int compare(const struct target *a, const struct target *b)
{
    const struct hop *x = a->recipient->hop, *y = b->recipient->hop;

    return (x > y) - (x < y);
}

static void name(const struct target *target, char to[ADDRESS_TEXT_MAX])
{
    address_write(&target->recipient->address, to);
}

static size_t place(const struct target *target, char to[TARGET_PLACE_MAX])
{
    const struct hop *hop = target->recipient->hop;
    char address[ADDRESS_TEXT_MAX];

    name(target, address);
    return (size_t)snprintf(to, TARGET_PLACE_MAX, "%s %s %s", hop->lmtp ? "store" : "relay",
                            hop->path, address);
}

static size_t said(const struct target *target, char to[WALL_SAID_MAX + 1])
{
    return hop_outcome_said(&target->recipient->outcome, to);
}

/* ---- all targets of a hop ----------------------------------------------------------------------
 */

static bool waits(const struct target *targets, size_t count, const struct hop_recipient *recipient)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i].recipient == recipient && targets[i].state == TARGET_WAITING)
            return true;
    return false;
}

/* What the hop has said of each: they do not wait any more if it has refused, or `final`. */
static void take_outcomes(struct target *targets, size_t count, bool final)
{
    for (size_t i = 0; i < count; i++) {
        const struct hop_outcome *outcome = &targets[i].recipient->outcome;
        if (targets[i].state != TARGET_WAITING || (outcome->verdict == VERDICT_OK && !final))
            continue;
        targets[i].verdict = outcome->verdict;
        targets[i].state = outcome->verdict == VERDICT_OK ? TARGET_DELIVERED
                           : final && outcome->uncertain  ? TARGET_UNCERTAIN
                                                          : TARGET_REFUSED;
    }
}

static enum event event_of(const struct hop_outcome *outcome, bool final)
{
    if (outcome->verdict == VERDICT_OK)
        return EVENT_RELAYED;
    if (final && outcome->uncertain)
        return EVENT_UNCERTAIN;
    return outcome->verdict == VERDICT_HOP_UNAVAILABLE ? EVENT_HOP_UNAVAILABLE
                                                       : EVENT_REFUSED_BY_HOP;
}

static void log_outcome(const struct delivery *delivery, const struct hop_recipient *recipient,
                        bool final, const char *listed)
{
    const struct hop_outcome *outcome = &recipient->outcome;

    hop_log_outcome(event_of(outcome, final), delivery, recipient->hop, outcome, listed, NULL);
}

/* Is it the first target of its recipient? One recipient may be the target of several parts. */
static bool is_first(const struct target *targets, size_t number)
{
    for (size_t i = 0; i < number; i++)
        if (targets[i].recipient == targets[number].recipient)
            return false;
    return true;
}

/* Logs the outcome of the targets that wait: one event for all if the hop has said one thing of
 * all. */
static void log_outcomes(const struct delivery *delivery, const struct target *targets,
                         size_t count, bool final)
{
    static char listed[LOG_LIST_MAX];
    const struct hop_recipient *last = NULL;
    char address[ADDRESS_TEXT_MAX];
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        const struct hop_recipient *recipient = targets[i].recipient;
        if (targets[i].state != TARGET_WAITING || !is_first(targets, i) ||
            (!final && recipient->outcome.verdict == VERDICT_OK))
            continue;
        if (last != NULL && !hop_outcome_is_same(&last->outcome, &recipient->outcome)) {
            log_outcome(delivery, last, final, listed);
            len = 0;
        }
        last = recipient;
        address_write(&recipient->address, address);
        if (strlen(address) + 2 <= sizeof listed - len)
            len += (size_t)sprintf(listed + len, "%s%s", len == 0 ? "" : "\n", address);
    }
    if (last != NULL)
        log_outcome(delivery, last, final, listed);
}

/* After the first dot, each hop has some time, even if an earlier one has used it up. */
static int64_t deadline(const struct delivery *delivery)
{
    enum { AT_LEAST_MS = 20000 };
    int64_t soon = clock_ms() + AT_LEAST_MS;

    if (!delivery->dotted)
        return delivery->dot_by;
    return delivery->reply_by > soon ? delivery->reply_by : soon;
}

/* ---- the text ----------------------------------------------------------------------------------
 */

/* May the hop get this message, by what it has offered in EHLO? */
static enum verdict check(const struct target_message *message, const struct hop *hop)
{
    const struct onward *text = &message->text->onward;
    uint64_t size = text->spool.size + text->lines + message->received.len;
    bool offers_utf8 = (hop->offers.extensions & HOP_SMTPUTF8) != 0;

    for (size_t i = 0; i < message->received.len; i++)
        size += message->received.at[i] == '\n';
    if (hop->offers.size > 0 && size > hop->offers.size)
        return VERDICT_TOO_LARGE;
    if (text->utf8_header && message->trace->utf8 && !offers_utf8)
        return VERDICT_HOP_SMTPUTF8;
    if (text->eight_bit && (hop->offers.extensions & HOP_8BITMIME) == 0)
        return VERDICT_HOP_8BITMIME;
    return VERDICT_OK;
}

/* Those that do not wait must not get the message. */
static void leave_out(struct target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!waits(targets, count, targets[i].recipient))
            hops_leave_out(targets[i].recipient);
}

static void text(const struct target_message *message, struct target *targets, size_t count)
{
    struct hop *hop = targets->recipient->hop;
    struct hop_outcome outcome;

    leave_out(targets, count);
    enum verdict verdict = check(message, hop);
    if (verdict == VERDICT_OK) {
        const struct hop_message text = {
            .received = message->received,
            .spool = &message->text->onward.spool,
            .above = message->text->above.onward,
        };
        hop_text(hop, &text, deadline(message->delivery), &outcome);
        if (outcome.verdict == VERDICT_OK) /* it may have been another connection */
            verdict = check(message, hop);
        for (size_t i = 0; i < count && outcome.verdict != VERDICT_OK; i++)
            if (targets[i].recipient->outcome.verdict == VERDICT_OK)
                targets[i].recipient->outcome = outcome;
    }
    if (verdict != VERDICT_OK) {
        hop_reset(hop);
        target_refuse(targets, count, verdict);
    }
    log_outcomes(message->delivery, targets, count, false);
    take_outcomes(targets, count, false);
}

static void look(const struct target_message *message, struct target *targets, size_t count)
{
    struct delivery *delivery = message->delivery;
    struct hop *hop = targets->recipient->hop;

    if (!hop_has_failed(hop, deadline(delivery)))
        return;
    hop_reset(hop);
    log_outcomes(delivery, targets, count, false);
    take_outcomes(targets, count, false);
}

static void dot(const struct target_message *message, struct target *targets, size_t count)
{
    struct delivery *delivery = message->delivery;
    struct hop *hop = targets->recipient->hop;

    bool final = hop_dot(hop, deadline(delivery)) == 0;
    if (final) {
        delivery->dotted = true;
        hop_results(hop, deadline(delivery));
    } else {
        hop_reset(hop);
    }
    log_outcomes(delivery, targets, count, final);
    take_outcomes(targets, count, final);
}

static void abandon(const struct target_message *message, struct target *targets, size_t count)
{
    (void)message;
    (void)count;
    hop_reset(targets->recipient->hop);
}

static const struct target_hop steps = {text, look, dot, abandon, said};

const struct target_kind target_relay = {RELAYS, compare, place, name, NULL, &steps};
const struct target_kind target_store = {STORES, compare, place, name, NULL, &steps};
