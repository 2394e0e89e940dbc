#include "milter_change.h"

#include "../base/field.h"
#include "milter_packet.h"
#include "milter_reply.h"

#include <string.h>

/* A value that is being written. */
struct value {
    struct wall_milter_change *change;
    size_t len;
};

static bool put(struct value *value, const char *bytes, size_t len)
{
    if (len > sizeof value->change->strings - value->len)
        return false;
    memcpy(value->change->strings + value->len, bytes, len);
    value->len += len;
    return true;
}

/* Up to the end of the line, without it. */
static struct slice cut_line(struct slice *rest)
{
    struct slice line = slice_cut(rest, '\n');

    if (line.at + line.len < rest->at + rest->len && slice_ends(line, "\r"))
        line.len--;
    return line;
}

static bool put_folded(struct value *value, struct slice text)
{
    for (;;) {
        bool last = !slice_has(text, '\n');
        struct slice line = cut_line(&text);
        if (slice_has(line, '\r') || !put(value, line.at, line.len))
            return false;
        if (last)
            return true;
        if ((!slice_begins(text, " ") && !slice_begins(text, "\t")) || !put(value, "\n", 1))
            return false;
    }
}

static bool read_field(struct slice *data, bool leading_space, struct value *value)
{
    struct slice name, text;

    if (!milter_take_string(data, &name) || !milter_take_string(data, &text) ||
        !field_is_name(name) || !put(value, name.at, name.len))
        return false;
    value->change->name_len = (uint32_t)name.len;
    bool deletes = value->change->kind == MILTER_CHANGE_FIELD && text.len == 0;
    return (leading_space || deletes || put(value, " ", 1)) && put_folded(value, text);
}

/* In Postfix, too, the first of a name is number 0 or 1. */
static bool read_index(struct slice *data, struct wall_milter_change *change)
{
    uint32_t index;

    if (!milter_take_number(data, &index) || index > INT32_MAX)
        return false;
    change->index = index == 0 && change->kind == MILTER_CHANGE_FIELD ? 1 : index;
    return true;
}

static bool has_controls(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.at[i] >= 0 && text.at[i] < ' ') || text.at[i] == 0x7f)
            return true;
    return false;
}

static bool read_address(struct slice *data, bool may_be_empty, struct value *value)
{
    struct slice address;

    if (!milter_take_string(data, &address) || has_controls(address))
        return false;
    address = slice_trim(address);
    if (slice_begins(address, "<") && slice_ends(address, ">"))
        address = (struct slice){address.at + 1, address.len - 2};
    return address.len < ADDRESS_TEXT_MAX && (address.len > 0 || may_be_empty) &&
           put(value, address.at, address.len);
}

static bool read_parameters(struct slice *data)
{
    struct slice parameters;

    return data->len == 0 || (milter_take_string(data, &parameters) && !has_controls(parameters));
}

/* Some filters send it without a NUL. */
static bool read_reason(struct slice *data, struct value *value)
{
    struct slice reason = *data;
    char text[MILTER_REASON_MAX + 1] = "";

    if (reason.len > 0 && reason.at[reason.len - 1] == '\0')
        reason.len--;
    *data = slice_from(*data, data->len);
    if (has_controls(reason))
        return false;
    milter_reply_print(reason, text, sizeof text);
    return put(value, text, strlen(text));
}

static const struct kind {
    char letter;
    enum milter_change kind;
    uint32_t action;
} kinds[] = {
    {'h', MILTER_ADD_FIELD, MILTER_MAY_ADD_FIELDS},
    {'i', MILTER_INSERT_FIELD, MILTER_MAY_ADD_FIELDS},
    {'m', MILTER_CHANGE_FIELD, MILTER_MAY_CHANGE_FIELDS},
    {'+', MILTER_ADD_RCPT, MILTER_MAY_ADD_RCPT},
    {'2', MILTER_ADD_RCPT, MILTER_MAY_ADD_RCPT_WITH},
    {'-', MILTER_DELETE_RCPT, MILTER_MAY_DELETE_RCPT},
    {'e', MILTER_SENDER, MILTER_MAY_CHANGE_SENDER},
    {'q', MILTER_QUARANTINE, MILTER_MAY_QUARANTINE},
};

static const struct kind *kind_of(char letter)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].letter == letter)
            return &kinds[i];
    return NULL;
}

bool milter_change_is(char letter)
{
    return kind_of(letter) != NULL;
}

bool milter_change_is_due(char letter, uint32_t actions)
{
    const struct kind *kind = kind_of(letter);

    return kind != NULL && (kind->action & actions) != 0;
}

bool milter_change_read(char letter, struct slice data, bool leading_space,
                        struct wall_milter_change *change, size_t *strings_len)
{
    struct value value = {change, 0};
    bool good = false;

    change->kind = kind_of(letter)->kind;
    change->index = change->name_len = 0;
    switch (letter) {
    case 'i':
    case 'm':
        good = read_index(&data, change) && read_field(&data, leading_space, &value);
        break;
    case 'h':
        good = read_field(&data, leading_space, &value);
        break;
    case 'q':
        good = read_reason(&data, &value);
        break;
    case 'e':
    case '2':
        good = read_address(&data, letter == 'e', &value) && read_parameters(&data);
        break;
    default:
        good = read_address(&data, false, &value);
    }
    *strings_len = value.len;
    return good && data.len == 0;
}
