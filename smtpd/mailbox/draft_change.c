#include "draft.h"

#include "../base/field.h"

#include <errno.h>
#include <string.h>

static uint64_t body_size(const struct draft *draft)
{
    enum draft_body body = draft->new_body != DRAFT_NONE ? draft->new_body : draft->body;

    return body == DRAFT_RECEIVED ? draft->received.size - draft->body_at
                                  : draft->bodies[body].size;
}

static bool has_room(const struct draft *draft, size_t header, uint64_t body)
{
    return header + 1 + body <= draft->longest;
}

/* ---- the header --------------------------------------------------------------------------------
 */

/* A field: NAME:VALUE and LF. */
struct field {
    struct slice name, value;
};

static const char *check(const struct field *field)
{
    if (!field_is_name(field->name))
        return "the name of a field is malformed";
    if (!field_is_value(field->value))
        return "the value of a field is malformed";
    return NULL;
}

static void save(struct draft *draft)
{
    if (draft->header_changed)
        return;
    memcpy(draft->kept, draft->header, draft->len);
    draft->kept_len = draft->len;
    draft->kept_above = draft->above;
    draft->header_changed = true;
}

/* Puts a field in the place of `old` bytes; NULL: none. above: it belongs above our Received field,
 * where the old bytes are, too. */
static const char *put(struct draft *draft, size_t at, size_t old, bool above,
                       const struct field *field)
{
    size_t len = field == NULL ? 0 : field->name.len + 1 + field->value.len + 1;
    char *to = draft->header + at;

    if (draft->len - old + len > sizeof draft->header ||
        !has_room(draft, draft->len - old + len, body_size(draft)) ||
        (above && draft->above - old + len > DRAFT_ABOVE_MAX))
        return "the header is too large";
    save(draft);
    memmove(to + len, to + old, draft->len - at - old);
    if (field != NULL) {
        to = mempcpy(to, field->name.at, field->name.len);
        *to++ = ':';
        to = mempcpy(to, field->value.at, field->value.len);
        *to = '\n';
    }
    draft->len = draft->len - old + len;
    if (above)
        draft->above = draft->above - old + len;
    return NULL;
}

const char *draft_add_field(struct draft *draft, struct slice name, struct slice value)
{
    const struct field field = {name, value};
    const char *wrong = check(&field);

    return wrong != NULL ? wrong : put(draft, draft->len, 0, false, &field);
}

const char *draft_insert_field(struct draft *draft, size_t index, struct slice name,
                               struct slice value)
{
    const struct field field = {name, value};
    const char *wrong = check(&field);
    struct slice above = draft_above(draft), rest = draft_header(draft);

    if (wrong != NULL)
        return wrong;
    for (; index > 0 && above.len > 0; index--)
        draft_next_field(&above);
    if (index == 0)
        return put(draft, draft->above - above.len, 0, true, &field);
    rest = slice_from(rest, draft->above);
    while (--index > 0 && rest.len > 0) /* ours is one */
        draft_next_field(&rest);
    return put(draft, draft->len - rest.len, 0, false, &field);
}

static bool has_name(struct slice field, struct slice name)
{
    struct slice found = slice_trim(slice_until(field, ':'));

    return found.len == name.len && strncasecmp(found.at, name.at, name.len) == 0;
}

const char *draft_change_field(struct draft *draft, size_t index, struct slice name,
                               struct slice value)
{
    const struct field changed = {name, value};
    const char *wrong = check(&changed);
    struct slice rest = draft_header(draft);

    if (wrong != NULL)
        return wrong;
    for (size_t seen = 0; rest.len > 0;) {
        size_t at = draft->len - rest.len;
        struct slice field = draft_next_field(&rest);
        if (has_name(field, name) && ++seen >= index)
            return put(draft, at, field.len, at<draft->above, value.len> 0 ? &changed : NULL);
    }
    return value.len > 0 ? put(draft, draft->len, 0, false, &changed) : NULL;
}

/* ---- the body ----------------------------------------------------------------------------------
 */

const char *draft_body_part(struct draft *draft, struct slice part)
{
    if (draft->new_body == DRAFT_NONE)
        draft->new_body = draft->body == DRAFT_FIRST ? DRAFT_SECOND : DRAFT_FIRST;
    draft->body_changed = true;
    if (slice_has(part, '\r'))
        return "the body has a CR that no LF follows";
    if (!has_room(draft, draft->len, body_size(draft) + part.len))
        return "the body is too large";
    if (draft->error == 0 && spool_write(&draft->bodies[draft->new_body], part.at, part.len) != 0)
        draft->error = errno;
    return NULL;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

/* Another body may come to be there. */
static void empty(struct spool *spool)
{
    struct slice mailbox = spool->mailbox;

    spool_end(spool);
    spool_goes_to(spool, mailbox);
}

void draft_keep(struct draft *draft)
{
    draft->header_changed = draft->body_changed = false;
    if (draft->new_body == DRAFT_NONE)
        return;
    if (draft->error == 0 && spool_finish(&draft->bodies[draft->new_body]) != 0)
        draft->error = errno;
    if (draft->body != DRAFT_RECEIVED)
        empty(&draft->bodies[draft->body]);
    draft->body = draft->new_body;
    draft->new_body = DRAFT_NONE;
}

void draft_undo(struct draft *draft)
{
    if (draft->header_changed) {
        memcpy(draft->header, draft->kept, draft->kept_len);
        draft->len = draft->kept_len;
        draft->above = draft->kept_above;
    }
    if (draft->new_body != DRAFT_NONE)
        empty(&draft->bodies[draft->new_body]);
    draft->new_body = DRAFT_NONE;
    draft->header_changed = draft->body_changed = false;
}
