#include "milter_edit.h"

#include "../base/field.h"

#include <stddef.h>

static bool is_line(struct slice text)
{
    return !slice_has(text, '\r') && !slice_has(text, '\n') && !slice_has(text, '\0');
}

static bool is_text(struct slice text)
{
    return !slice_has(text, '\r');
}

static const struct {
    bool has_name, has_index;
    bool (*is_value)(struct slice value);
} kinds[MILTER_CHANGES] = {
    [MILTER_ADD_FIELD] = {true, false, field_is_value},
    [MILTER_INSERT_FIELD] = {true, true, field_is_value},
    [MILTER_CHANGE_FIELD] = {true, true, field_is_value},
    [MILTER_BODY_PART] = {false, false, is_text},
    [MILTER_ADD_RCPT] = {false, false, is_line},
    [MILTER_DELETE_RCPT] = {false, false, is_line},
    [MILTER_SENDER] = {false, false, is_line},
    [MILTER_QUARANTINE] = {false, false, is_line},
};

bool milter_edit_read(const struct wall_milter_change *change, size_t body_len,
                      struct milter_edit *edit)
{
    const size_t head = offsetof(struct wall_milter_change, strings);

    if (body_len < head || change->kind >= MILTER_CHANGES || change->name_len > body_len - head)
        return false;
    struct slice strings = {change->strings, body_len - head};
    *edit = (struct milter_edit){
        .kind = change->kind,
        .index = change->index,
        .name = {strings.at, change->name_len},
        .value = slice_from(strings, change->name_len),
    };
    return (kinds[edit->kind].has_name ? field_is_name(edit->name) : edit->name.len == 0) &&
           (kinds[edit->kind].has_index || edit->index == 0) &&
           kinds[edit->kind].is_value(edit->value);
}
