#include "hop_text.h"

#include <string.h>

void hop_text_begin(struct hop_text *text)
{
    text->in_line = false;
}

/* Copies up to the end of the line. */
static size_t copy(struct slice in, char *out, size_t room)
{
    if (in.len > room)
        in.len = room;
    in = slice_until(slice_until(in, '\n'), '\r');
    memcpy(out, in.at, in.len);
    return in.len;
}

size_t hop_text_feed(struct hop_text *text, struct slice in, char *out, size_t size,
                     size_t *out_len)
{
    size_t read = 0, made = 0;

    while (read < in.len && size - made > 2) {
        char c = in.at[read];
        if (c == '\n') {
            memcpy(out + made, "\r\n", 2);
            made += 2;
            text->in_line = false;
        } else if (c != '\r') {
            if (c == '.' && !text->in_line)
                out[made++] = '.';
            size_t copied = copy(slice_from(in, read), out + made, size - made);
            made += copied;
            read += copied;
            text->in_line = true;
            continue;
        }
        read++;
    }
    *out_len = made;
    return read;
}

size_t hop_text_end(struct hop_text *text, char out[HOP_TEXT_END_MAX])
{
    const char *end = text->in_line ? "\r\n.\r\n" : ".\r\n";

    memcpy(out, end, strlen(end));
    text->in_line = false;
    return strlen(end);
}
