#include "milter_edit.h"

#include <stddef.h>

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == ':')
            return false;
    return name.len > 0 && name.len <= MILTER_NAME_MAX;
}

static bool has_none_of(struct slice text, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_has(text, bytes[i]))
            return false;
    return true;
}

static bool is_line(struct slice text)
{
    return has_none_of(text, "\r\n\0", 3);
}

/* Each line after the first begins with a blank or a tab. */
static bool is_folded(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '\n' &&
            (i + 1 == text.len || (text.at[i + 1] != ' ' && text.at[i + 1] != '\t')))
            return false;
    return has_none_of(text, "\r\0", 2);
}

static bool is_text(struct slice text)
{
    return has_none_of(text, "\r", 1);
}

static const struct {
    bool has_name, has_index;
    bool (*is_value)(struct slice value);
} kinds[MILTER_CHANGES] = {
    [MILTER_ADD_FIELD] = {true, false, is_folded},
    [MILTER_INSERT_FIELD] = {true, true, is_folded},
    [MILTER_CHANGE_FIELD] = {true, true, is_folded},
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
    return (kinds[edit->kind].has_name ? is_name(edit->name) : edit->name.len == 0) &&
           (kinds[edit->kind].has_index || edit->index == 0) &&
           kinds[edit->kind].is_value(edit->value);
}
