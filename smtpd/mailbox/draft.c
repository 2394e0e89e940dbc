#include "draft.h"

#include <errno.h>
#include <string.h>

/* ---- while it is received ----------------------------------------------------------------------
 */

void draft_init(struct draft *draft)
{
    draft->begun = false;
}

void draft_begin(struct draft *draft, const char *root, uint64_t longest)
{
    draft->begun = true;
    draft->error = 0;
    draft->too_large = draft->in_body = false;
    draft->header_changed = draft->body_changed = false;
    draft->longest = longest + DRAFT_GROWTH_MAX;
    draft->body_at = draft->len = draft->above = 0;
    draft->body = DRAFT_RECEIVED;
    draft->new_body = DRAFT_NONE;
    spool_begin(&draft->received, root);
    spool_begin(&draft->bodies[DRAFT_FIRST], root);
    spool_begin(&draft->bodies[DRAFT_SECOND], root);
}

void draft_goes_to(struct draft *draft, struct slice mailbox)
{
    spool_goes_to(&draft->received, mailbox);
    spool_goes_to(&draft->bodies[DRAFT_FIRST], mailbox);
    spool_goes_to(&draft->bodies[DRAFT_SECOND], mailbox);
}

static void note_error(struct draft *draft, int result)
{
    if (result != 0 && draft->error == 0)
        draft->error = errno;
}

static void receive(struct draft *draft, struct slice text)
{
    note_error(draft, spool_write(&draft->received, text.at, text.len));
    if (draft->in_body || draft->too_large)
        return;
    draft->too_large = text.len > sizeof draft->header - draft->len;
    if (draft->too_large)
        return;
    memcpy(draft->header + draft->len, text.at, text.len);
    draft->len += text.len;
}

/* What comes before the body and is not in it. */
static void end_header(struct draft *draft)
{
    draft->in_body = true;
    draft->body_at = draft->received.size + 1;
    receive(draft, slice_of("\n"));
}

/* Blanks may fill the place where the colon of a field is looked for (header.h). */
static bool is_field(const struct header_part *part)
{
    return part->kind == HEADER_FIELD || (part->kind == HEADER_STATE && slice_has(part->text, ':'));
}

void draft_part(struct draft *draft, const struct header_part *part)
{
    struct slice text = part->text;

    if (part->kind == HEADER_NONE || draft->error != 0)
        return;
    if (!draft->in_body && part->kind == HEADER_FROM)
        receive(draft, slice_of("X-Mailbox-Line: "));
    else if (!draft->in_body && part->kind != HEADER_REST && !is_field(part)) {
        end_header(draft);
        if (part->kind == HEADER_BODY && slice_begins(text, "\n"))
            text = slice_from(text, 1);
    }
    receive(draft, text);
}

void draft_end(struct draft *draft)
{
    if (!draft->in_body)
        end_header(draft);
    if (draft->error == 0)
        note_error(draft, spool_finish(&draft->received));
}

void draft_put_on_top(struct draft *draft, struct slice fields)
{
    draft->too_large = draft->too_large || fields.len > sizeof draft->header - draft->len;
    if (draft->too_large)
        return;
    memmove(draft->header + fields.len, draft->header, draft->len);
    memcpy(draft->header, fields.at, fields.len);
    draft->len += fields.len;
}

void draft_drop(struct draft *draft)
{
    if (!draft->begun)
        return;
    spool_end(&draft->received);
    spool_end(&draft->bodies[DRAFT_FIRST]);
    spool_end(&draft->bodies[DRAFT_SECOND]);
    draft->begun = false;
}

/* ---- what filters see --------------------------------------------------------------------------
 */

struct slice draft_header(const struct draft *draft)
{
    return (struct slice){draft->header, draft->len};
}

struct slice draft_above(const struct draft *draft)
{
    return (struct slice){draft->header, draft->above};
}

/* Up to an LF that no blank follows. */
struct slice draft_next_field(struct slice *header)
{
    struct slice field = {header->at, 0};

    do {
        const char *end = memchr(field.at + field.len, '\n', header->len - field.len);
        field.len = end == NULL ? header->len : (size_t)(end - field.at) + 1;
    } while (field.len < header->len &&
             (field.at[field.len] == ' ' || field.at[field.len] == '\t'));
    *header = slice_from(*header, field.len);
    return field;
}

int draft_copy_body(struct draft *draft, int (*write)(void *context, const char *bytes, size_t len),
                    void *context)
{
    bool received = draft->body == DRAFT_RECEIVED;
    struct spool *spool = received ? &draft->received : &draft->bodies[draft->body];

    return spool_copy_part(spool, received ? draft->body_at : 0, spool->size, write, context);
}
