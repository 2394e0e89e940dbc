#include "milter_text.h"

#include <string.h>

struct slice milter_text_cut_field(struct slice *fields)
{
    struct slice field = slice_cut(fields, '\n');

    while (fields->len > 0 && (*fields->at == ' ' || *fields->at == '\t'))
        field.len = (size_t)(fields->at - field.at) + slice_cut(fields, '\n').len;
    return field;
}

size_t milter_text_encode(struct slice in, char *out, size_t size, size_t *len)
{
    size_t read = 0, made = 0;

    while (read < in.len) {
        struct slice line = slice_until(slice_from(in, read), '\n');
        if (line.len > size - made)
            line.len = size - made;
        memcpy(out + made, line.at, line.len);
        made += line.len;
        read += line.len;
        if (read == in.len || in.at[read] != '\n' || size - made < 2)
            break;
        memcpy(out + made, "\r\n", 2);
        made += 2;
        read++;
    }
    *len = made;
    return read;
}

bool milter_text_decode(struct slice in, bool *cr, char *out, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.at[i];
        if (*cr && c != '\n')
            return false;
        *cr = c == '\r';
        if (c != '\r')
            out[(*len)++] = c;
    }
    return true;
}
