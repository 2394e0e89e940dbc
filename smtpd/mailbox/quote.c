#include "quote.h"

#include <string.h>

static const char from[] = "From ";

enum { FROM_LEN = sizeof from - 1 };

size_t quote_feed(struct quote *quote, const char *in, size_t len, char *out)
{
    size_t at = 0, made = 0;

    while (at < len) {
        if (quote->state == QUOTE_TEXT) {
            const char *newline = memchr(in + at, '\n', len - at);
            size_t text = newline == NULL ? len - at : (size_t)(newline + 1 - in) - at;
            memcpy(out + made, in + at, text);
            made += text;
            at += text;
            if (newline != NULL)
                quote->state = QUOTE_LINE;
        } else if (quote->matched == 0 && in[at] == '>') {
            quote->state = QUOTE_FROM;
            out[made++] = in[at++];
        } else if (in[at] == from[quote->matched]) {
            quote->state = QUOTE_FROM;
            at++;
            if (++quote->matched < FROM_LEN)
                continue;
            out[made++] = '>'; /* after the other ones, if any: it makes no difference */
            memcpy(out + made, from, FROM_LEN);
            made += FROM_LEN;
            *quote = (struct quote){QUOTE_TEXT, 0};
        } else {
            memcpy(out + made, from, quote->matched);
            made += quote->matched;
            *quote = (struct quote){QUOTE_TEXT, 0};
        }
    }
    return made;
}

size_t quote_end(struct quote *quote, char *out)
{
    size_t made = quote->matched;

    memcpy(out, from, made);
    if (quote->state != QUOTE_LINE)
        out[made++] = '\n';
    *quote = (struct quote){QUOTE_LINE, 0};
    return made;
}
