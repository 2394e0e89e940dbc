#include "delivery_filter.h"

#include "delivery.h"
#include "milter_log.h"
#include "milters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { REASON_MAX = 200 }; /* of a quarantine */

void delivery_filter_begin(struct delivery *delivery)
{
    uint64_t largest = delivery->settings->session.max_message_size;

    if (delivery->message.draft.begun || !milters_want_message(delivery->milters))
        return;
    message_is_filtered(&delivery->message, largest);
    delivery_envelope_begin(&delivery->envelope);
}

/* ---- one filter --------------------------------------------------------------------------------
 */

/* A filter at work. */
struct filtering {
    struct delivery *delivery;
    const char *filter; /* the path of its socket */
    size_t changes;     /* that it has asked for */
    size_t before;      /* changes of the envelope by the filters before it */
    bool quarantined;
    char reason[REASON_MAX + 1];
};

/* There is one message at a time. */
/* Notes the reason, printable, and as much as fits. */
static const char *note_quarantine(struct filtering *filtering, struct slice reason)
{
    size_t len = reason.len < REASON_MAX ? reason.len : REASON_MAX;

    filtering->quarantined = true;
    for (size_t i = 0; i < len; i++)
        filtering->reason[i] = reason.at[i] >= ' ' && reason.at[i] <= '~' ? reason.at[i] : '?';
    filtering->reason[len] = '\0';
    return NULL;
}

/* Parts of a body do not count, because their size is limited. */
static bool is_one_too_many(struct filtering *filtering, const struct milter_edit *edit)
{
    bool counts = edit->kind != MILTER_BODY_PART || edit->value.len == 0;

    filtering->changes += counts;
    return filtering->changes > DELIVERY_CHANGES_MAX;
}

static const char *change(void *context, const struct milter_edit *edit)
{
    struct filtering *filtering = context;
    struct draft *draft = &filtering->delivery->message.draft;

    if (is_one_too_many(filtering, edit))
        return "too many changes";
    switch (edit->kind) {
    case MILTER_ADD_FIELD:
        return draft_add_field(draft, edit->name, edit->value);
    case MILTER_INSERT_FIELD:
        return draft_insert_field(draft, edit->index, edit->name, edit->value);
    case MILTER_CHANGE_FIELD:
        return draft_change_field(draft, edit->index, edit->name, edit->value);
    case MILTER_BODY_PART:
        return draft_body_part(draft, edit->value);
    case MILTER_QUARANTINE:
        return note_quarantine(filtering, edit->value);
    default:
        return delivery_envelope_note(filtering->delivery, filtering->filter, edit);
    }
}

/* A list of the addresses that this filter has added, or removed; NULL: none. */
static const char *list(const struct filtering *filtering, enum milter_change kind,
                        char to[LOG_LIST_MAX])
{
    const struct delivery_envelope *envelope = &filtering->delivery->envelope;
    char address[ADDRESS_TEXT_MAX];
    size_t len = 0;

    for (size_t i = filtering->before; i < envelope->count; i++) {
        if (envelope->changes[i].kind != kind)
            continue;
        size_t more = address_write(&envelope->changes[i].address, address);
        if (more + 2 > LOG_LIST_MAX - len)
            break;
        len += (size_t)sprintf(to + len, "%s%s", len == 0 ? "" : "\n", address);
    }
    return len == 0 ? NULL : to;
}

/* The last one counts. NULL: it has not changed the sender. */
static const char *new_sender(const struct filtering *filtering, char to[ADDRESS_TEXT_MAX])
{
    const struct delivery_envelope *envelope = &filtering->delivery->envelope;
    const char *sender = NULL;

    for (size_t i = filtering->before; i < envelope->count; i++)
        if (envelope->changes[i].kind == MILTER_SENDER)
            sender = address_write(&envelope->changes[i].address, to) > 0 ? to : "<>";
    return sender;
}

static void log_changes(const struct filtering *filtering)
{
    static char added[LOG_LIST_MAX], removed[LOG_LIST_MAX];
    char sender[ADDRESS_TEXT_MAX];
    const struct draft *draft = &filtering->delivery->message.draft;
    const struct milter_report report = {
        .filter = filtering->filter,
        .added = list(filtering, MILTER_ADD_RCPT, added),
        .removed = list(filtering, MILTER_DELETE_RCPT, removed),
        .new_sender = new_sender(filtering, sender),
        .header = draft->header_changed ? "changed" : NULL,
        .body = draft->body_changed ? "changed" : NULL,
    };

    if (filtering->delivery->envelope.count > filtering->before || draft->header_changed ||
        draft->body_changed)
        milter_log(EVENT_CHANGED_BY_FILTER, filtering->delivery, &report);
}

static void quarantine(struct filtering *filtering)
{
    static const struct {
        const char *word;
        enum verdict verdict;
    } ways[] = {
        [QUARANTINE_REJECT] = {"reject", VERDICT_QUARANTINE_REFUSED},
        [QUARANTINE_DEFER] = {"defer", VERDICT_QUARANTINE_DEFERRED},
        [QUARANTINE_DELIVER] = {"deliver", VERDICT_OK},
    };
    struct delivery *delivery = filtering->delivery;
    enum settings_quarantine way = delivery->settings->quarantine;
    const struct milter_report report = {
        .filter = filtering->filter,
        .reason = filtering->reason,
        .action = ways[way].word,
    };
    char value[1 + REASON_MAX + 1];

    milter_log(EVENT_QUARANTINED, delivery, &report);
    snprintf(value, sizeof value, " %s", filtering->reason);
    if (ways[way].verdict != VERDICT_OK)
        delivery_refuse(delivery, ways[way].verdict);
    else if (draft_add_field(&delivery->message.draft, slice_of("X-Quarantine"), slice_of(value)) !=
             NULL)
        delivery_refuse(delivery, VERDICT_HEADER_TOO_LARGE);
}

/* Keeps or undoes its changes. */
static void settle(struct filtering *filtering, enum verdict verdict)
{
    struct delivery *delivery = filtering->delivery;
    struct draft *draft = &delivery->message.draft;
    bool stays = verdict == VERDICT_OK && !delivery->milters->outcome.failed;

    if (!stays) {
        draft_undo(draft);
        delivery->envelope.count = filtering->before;
    } else if (delivery->discarded_by == NULL) {
        log_changes(filtering);
        if (filtering->quarantined)
            quarantine(filtering);
        draft_keep(draft);
    }
    if (verdict == VERDICT_FAILED && draft->error == 0) /* the body could not be read */
        draft->error = EIO;
    if (draft->error != 0) {
        errno = draft->error;
        delivery_refuse_by_errno(delivery);
    }
    if (delivery->milters->outcome.given_up && delivery_is_interrupted(delivery))
        verdict = VERDICT_FAILED;
    if (verdict != VERDICT_OK)
        delivery_refuse(delivery, verdict);
}

static void ask(struct delivery *delivery, size_t number)
{
    struct filtering filtering = {
        .delivery = delivery,
        .filter = delivery->milters->all[number].path,
        .before = delivery->envelope.count,
    };
    const struct milter_changes changes = {change, &filtering};
    int64_t patience = (int64_t)delivery->settings->milter_timeout * 1000 * MILTERS_PATIENCE;

    settle(&filtering, milters_message(delivery->milters, number, &delivery->message.draft,
                                       delivery->committed + patience, &changes));
}

/* ---- all of them -------------------------------------------------------------------------------
 */

static bool goes_on(const struct delivery *delivery)
{
    return delivery->refused == VERDICT_OK && delivery->discarded_by == NULL;
}

/* A submission gets what it lacks before filters see it, because they may sign it. */
static void complete(struct delivery *delivery)
{
    const struct header_facts *facts = &delivery->message.facts;
    const struct trace trace = {
        .hostname = delivery->settings->session.hostname,
        .id = delivery->id,
        .add_date = delivery->client.submission && !facts->has_date,
        .add_message_id = delivery->client.submission && !facts->has_message_id,
        .time = time(NULL),
    };
    char fields[TRACE_MAX];
    struct draft *draft = &delivery->message.draft;

    draft_put_on_top(draft, (struct slice){fields, trace_missing(fields, &trace)});
    if (draft->too_large)
        delivery_refuse(delivery, VERDICT_HEADER_TOO_LARGE);
}

void delivery_filter(struct delivery *delivery)
{
    struct milters *milters = delivery->milters;

    if (!delivery->message.draft.begun)
        return;
    if (goes_on(delivery))
        complete(delivery);
    for (size_t i = 0; i < milters_count(milters) && goes_on(delivery); i++)
        ask(delivery, i);
    milters_abort(milters);
    if (goes_on(delivery))
        delivery_envelope_apply(delivery);
    if (goes_on(delivery) && delivery_is_interrupted(delivery)) /* it may have taken minutes */
        delivery_refuse(delivery, VERDICT_FAILED);
    if (goes_on(delivery) && message_filtered(&delivery->message) != 0)
        delivery_refuse_by_errno(delivery);
}
