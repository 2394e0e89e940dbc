#include "delivery_envelope.h"

#include "delivery.h"
#include "delivery_log.h"
#include "delivery_recipient.h"
#include "hops.h"
#include "milter_log.h"
#include "target_mbox.h"

#include <string.h>

void delivery_envelope_begin(struct delivery_envelope *envelope)
{
    envelope->count = 0;
    envelope->changed = false;
}

/* ---- while filters ask for changes -------------------------------------------------------------
 */

/* As in MAIL and RCPT. */
static const char *read_address(const struct delivery *delivery, const struct milter_edit *edit,
                                struct address *address)
{
    bool sender = edit->kind == MILTER_SENDER;

    *address = (struct address){0};
    if (sender && edit->value.len == 0)
        return NULL;
    if (address_parse(edit->value, address) != ADDRESS_OK || (sender && address->domain_len == 0))
        return "an address is malformed";
    if (!delivery->mail.utf8 && !address_is_ascii(address))
        return "an address needs SMTPUTF8";
    return NULL;
}

const char *delivery_envelope_note(struct delivery *delivery, const char *filter,
                                   const struct milter_edit *edit)
{
    struct delivery_envelope *envelope = &delivery->envelope;

    if (envelope->count == DELIVERY_CHANGES_MAX)
        return "too many changes of the envelope";
    struct delivery_change *change = &envelope->changes[envelope->count];
    change->kind = edit->kind;
    change->filter = filter;
    const char *wrong = read_address(delivery, edit, &change->address);
    envelope->count += wrong == NULL;
    return wrong;
}

/* ---- what they amount to -----------------------------------------------------------------------
 */

static bool is_same(const struct address *a, const struct address *b)
{
    char x[ADDRESS_KEY_MAX], y[ADDRESS_KEY_MAX];
    struct slice key = {x, address_key(a, x)}, other = {y, address_key(b, y)};

    return slice_equal(key, other);
}

/* Is it one that the client has given? */
static bool change_given(struct delivery *delivery, const struct address *address, bool removed)
{
    struct delivery_envelope *envelope = &delivery->envelope;
    bool found = false;

    for (size_t i = 0; i < delivery->recipients; i++) {
        if (!is_same(&delivery->asked[i], address))
            continue;
        envelope->changed = envelope->changed || envelope->removed[i] != removed;
        envelope->removed[i] = removed;
        found = true;
    }
    return found;
}

static size_t find_addition(const struct delivery_envelope *envelope, const struct address *address)
{
    size_t i = 0;

    while (i < envelope->added && !is_same(&envelope->additions[i]->address, address))
        i++;
    return i;
}

static void add(struct delivery *delivery, const struct delivery_change *change)
{
    struct delivery_envelope *envelope = &delivery->envelope;
    const struct address *address = &change->address;

    if (change_given(delivery, address, false) ||
        find_addition(envelope, address) < envelope->added)
        return;
    envelope->additions[envelope->added++] = change;
    envelope->changed = true;
}

static void take_away(struct delivery *delivery, const struct delivery_change *change)
{
    struct delivery_envelope *envelope = &delivery->envelope;
    size_t found = find_addition(envelope, &change->address);

    if (change_given(delivery, &change->address, true))
        envelope->removed_by = change->filter;
    if (found < envelope->added)
        envelope->additions[found] = envelope->additions[--envelope->added];
}

static void sum_up(struct delivery *delivery)
{
    struct delivery_envelope *envelope = &delivery->envelope;

    envelope->changed = false;
    envelope->sender = delivery->sender;
    envelope->added = 0;
    memset(envelope->removed, 0, sizeof envelope->removed);
    for (size_t i = 0; i < envelope->count; i++) {
        const struct delivery_change *change = &envelope->changes[i];
        if (change->kind == MILTER_ADD_RCPT)
            add(delivery, change);
        else if (change->kind == MILTER_DELETE_RCPT)
            take_away(delivery, change);
        else
            envelope->sender = change->address;
    }
    envelope->changed = envelope->changed || !address_equal(&envelope->sender, &delivery->sender);
}

static bool nobody_remains(const struct delivery *delivery)
{
    size_t remaining = delivery->envelope.added;

    for (size_t i = 0; i < delivery->recipients; i++)
        remaining += !delivery->envelope.removed[i];
    return remaining == 0;
}

/* ---- the targets -------------------------------------------------------------------------------
 */

/* Adds a target for a recipient that no longer has one: it has failed already. */
static void add_refused(struct delivery *delivery, size_t number, enum verdict why)
{
    if (delivery->count == DIRECTORY_MAILBOXES_MAX) {
        delivery_refuse(delivery, why);
        return;
    }
    delivery->targets[delivery->count++] = (struct target){
        .kind = &target_mbox,
        .settings = delivery->settings,
        .asked = number,
        .part = delivery->each && number < DELIVERY_ADDED ? number : 0,
        .state = TARGET_REFUSED,
        .verdict = why,
    };
}

static void log_given(const struct delivery *delivery, enum verdict why)
{
    enum reply reply = verdict_reply(why, REPLY_DELIVERED);
    char status[REPLY_STATUS_MAX];
    const struct delivery_outcome outcome = {
        .doing = "deliver to other recipients",
        .reply = reply_status(reply, status),
        .reason = verdict_word(why),
    };

    delivery_log(delivery, reply_class(reply) == 5 ? EVENT_REFUSED_MESSAGE : EVENT_DEFERRED,
                 &outcome);
}

static void find_given(struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->recipients; i++) {
        if (delivery->envelope.removed[i])
            continue;
        enum verdict verdict = delivery_add_again(delivery, &delivery->asked[i], i);
        if (verdict == VERDICT_OK)
            continue;
        log_given(delivery, verdict);
        add_refused(delivery, i, verdict);
    }
}

static void log_added(const struct delivery *delivery, size_t number, enum verdict why)
{
    char recipient[ADDRESS_TEXT_MAX], status[REPLY_STATUS_MAX];
    const char *word = verdict_word(why);
    const struct milter_report report = {
        .filter = delivery->envelope.additions[number]->filter,
        .recipient = recipient,
        .reply = reply_status(verdict_reply(why, REPLY_DELIVERED), status),
        .reason = word != NULL ? word : status,
    };

    address_write(&delivery->envelope.additions[number]->address, recipient);
    milter_log(EVENT_ADDED_REFUSED, delivery, &report);
}

static bool is_for_good(enum verdict verdict)
{
    return reply_class(verdict_reply(verdict, REPLY_DELIVERED)) == 5;
}

/* Returns the last refusal for good. */
static enum verdict find_added(struct delivery *delivery)
{
    enum verdict refused = VERDICT_OK;

    for (size_t i = 0; i < delivery->envelope.added; i++) {
        const struct address *address = &delivery->envelope.additions[i]->address;
        enum verdict verdict = delivery_add_again(delivery, address, DELIVERY_ADDED + i);
        if (verdict == VERDICT_OK)
            continue;
        log_added(delivery, i, verdict);
        if (is_for_good(verdict))
            refused = verdict;
        else
            add_refused(delivery, DELIVERY_ADDED + i, verdict);
    }
    return refused;
}

/* Drops added recipients that have had the message before. Returns why, if there are any. */
static enum verdict drop_added(struct delivery *delivery)
{
    enum verdict refused = VERDICT_OK;

    if (message_look_for_loops(&delivery->message) != 0)
        delivery_refuse_by_errno(delivery);
    for (size_t i = 0; i < delivery->count;) {
        const struct target *target = &delivery->targets[i];
        if (!target->loop || target->asked < DELIVERY_ADDED) {
            i++;
            continue;
        }
        refused = VERDICT_LOOP;
        log_added(delivery, target->asked - DELIVERY_ADDED, refused);
        delivery->targets[i] = delivery->targets[--delivery->count];
    }
    return refused;
}

/* If all recipients that remain are refused, the message is refused, so that it is not lost. */
static void find_targets(struct delivery *delivery)
{
    delivery->count = 0;
    find_given(delivery);
    enum verdict refused = find_added(delivery), looped = drop_added(delivery);
    if (delivery->count == 0 && (refused != VERDICT_OK || looped != VERDICT_OK))
        delivery_refuse(delivery, refused != VERDICT_OK ? refused : looped);
}

/* Leaves out the recipients that a hop has accepted and that are no longer targets. */
static void leave_out(struct delivery *delivery)
{
    struct hops *hops = delivery->hops;

    for (size_t i = 0; i < hops->count; i++) {
        bool wanted = false;
        for (size_t j = 0; j < delivery->count; j++)
            wanted = wanted || (delivery->targets[j].kind->hop != NULL &&
                                delivery->targets[j].recipient == &hops->recipients[i]);
        if (!wanted)
            hops_leave_out(&hops->recipients[i]);
    }
}

void delivery_envelope_apply(struct delivery *delivery)
{
    struct delivery_envelope *envelope = &delivery->envelope;

    if (envelope->count == 0)
        return;
    sum_up(delivery);
    if (!envelope->changed)
        return;
    if (nobody_remains(delivery)) {
        delivery->discarded_by = envelope->removed_by;
        return;
    }
    hops_change_sender(delivery->hops, &delivery->sender, &envelope->sender);
    delivery->sender = envelope->sender;
    find_targets(delivery);
    leave_out(delivery);
}
