#include "../mailbox/draft.h"
#include "milter_events.h"
#include "milter_step.h"

#include <string.h>

/* A message that is shown to a filter. */
struct showing {
    struct milters *milters;
    size_t number;
    int64_t end;
    size_t len; /* of the part that is in milters->message */
    enum verdict verdict;
};

/* Does it want to see more? */
static bool goes_on(const struct showing *showing)
{
    const struct milter_outcome *outcome = &showing->milters->outcome;

    return showing->verdict == VERDICT_OK && !outcome->failed &&
           outcome->reply.answer == MILTER_CONTINUE;
}

static bool show_event(struct showing *showing, enum milter_step step,
                       const struct milter_changes *changes)
{
    struct milters *milters = showing->milters;

    milter_events_message(&milters->event, step, &milters->client, milters->delivery);
    showing->verdict = milter_step_event(milters, showing->number, showing->end, changes);
    return goes_on(showing);
}

/* What there is of a part, in milters->message. */
static bool show_part(struct showing *showing, enum wall_type type, enum milter_step step)
{
    const struct milter_question question = {showing->number, step, showing->len, showing->end,
                                             NULL};

    if (showing->len == 0)
        return true;
    showing->len = 0;
    showing->milters->message.type = type;
    showing->verdict = milter_step_part(showing->milters, &question);
    return goes_on(showing);
}

/* ---- the header --------------------------------------------------------------------------------
 */

static void add(struct showing *showing, struct slice bytes)
{
    memcpy(showing->milters->message.text + showing->len, bytes.at, bytes.len);
    showing->len += bytes.len;
}

/* Whole fields, as many as fit. Of a longer one they see the beginning. */
static bool show_header(struct showing *showing, struct slice header)
{
    bool more = true;

    for (struct slice field; more && (field = draft_next_field(&header)).len > 0;) {
        if (field.len > WALL_TEXT_MAX)
            field.len = WALL_TEXT_MAX;
        if (field.len > WALL_TEXT_MAX - showing->len)
            more = show_part(showing, WALL_MILTER_HEADER, MILTER_HEADER);
        if (more)
            add(showing, field);
    }
    return more && show_part(showing, WALL_MILTER_HEADER, MILTER_HEADER);
}

/* ---- the body ----------------------------------------------------------------------------------
 */

/* Returns -1 when the filter wants no more. */
static int show_bytes(void *context, const char *bytes, size_t len)
{
    struct showing *showing = context;
    struct slice rest = {bytes, len};

    while (rest.len > 0) {
        size_t room = MILTER_BODY_CHUNK - showing->len, part = rest.len < room ? rest.len : room;
        add(showing, (struct slice){rest.at, part});
        rest = slice_from(rest, part);
        if (showing->len == MILTER_BODY_CHUNK && !show_part(showing, WALL_MILTER_BODY, MILTER_BODY))
            return -1;
    }
    return 0;
}

static bool show_body(struct showing *showing, struct draft *draft)
{
    int copied = draft_copy_body(draft, show_bytes, showing);

    if (!goes_on(showing))
        return false;
    if (copied != 0)
        showing->verdict = VERDICT_FAILED;
    return copied == 0 && show_part(showing, WALL_MILTER_BODY, MILTER_BODY);
}

enum verdict milters_message(struct milters *milters, size_t number, struct draft *draft,
                             int64_t deadline, const struct milter_changes *to)
{
    struct showing showing = {.milters = milters, .number = number, .end = deadline};

    milters->outcome = (struct milter_outcome){.number = number};
    if (!milter_step_is_asked(milters, number))
        return VERDICT_OK;
    if (show_event(&showing, MILTER_DATA, NULL) && show_header(&showing, draft_header(draft)) &&
        show_event(&showing, MILTER_EOH, NULL) && show_body(&showing, draft))
        show_event(&showing, MILTER_END, to);
    return showing.verdict;
}
