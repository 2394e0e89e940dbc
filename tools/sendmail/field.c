#include "field.h"

#include <stddef.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of a line with its LF, if it has one. */
static size_t line_len(struct slice text)
{
    size_t len = slice_until(text, '\n').len;

    return len < text.len ? len + 1 : len;
}

/* Printable ASCII, and blanks before the colon. 0: it is no field. */
static size_t colon_of(struct slice line, size_t *name_len)
{
    size_t at = 0;

    while (at < line.len && line.at[at] > ' ' && line.at[at] <= '~' && line.at[at] != ':')
        at++;
    *name_len = at;
    while (at < line.len && is_blank(line.at[at]))
        at++;
    return *name_len > 0 && at < line.len && line.at[at] == ':' ? at : 0;
}

bool field_next(struct slice *text, struct field *field)
{
    size_t name_len, len = line_len(*text);
    size_t colon = colon_of((struct slice){text->at, len}, &name_len);

    if (colon == 0) {
        if (text->len > 0 && *text->at == '\n')
            *text = slice_from(*text, 1);
        return false;
    }
    while (len < text->len && is_blank(text->at[len]))
        len += line_len(slice_from(*text, len));
    field->whole = (struct slice){text->at, len};
    field->name = (struct slice){text->at, name_len};
    field->body = slice_from(field->whole, colon + 1);
    *text = slice_from(*text, len);
    return true;
}

bool field_is(const struct field *field, const char *name)
{
    return slice_is_word(field->name, name);
}

bool field_is_one_of(const struct field *field, const char *const *names)
{
    while (*names != NULL && !field_is(field, *names))
        names++;
    return *names != NULL;
}
