/*
 * quote: mboxrd quoting: a line that begins with any number of `>`s and `From ` gets one `>` more,
 * so that no message contains what a reader of the mailbox takes for the start of another. Pure.
 */
#ifndef MAILSLOT_QUOTE_H
#define MAILSLOT_QUOTE_H

#include <stddef.h>

struct quote {
    enum {
        QUOTE_LINE,
        QUOTE_FROM,
        QUOTE_TEXT
    } state;        /* at the start of a line, after a ">" or in "From ", elsewhere */
    size_t matched; /* bytes of "From " held back */
};

/* The most that quote_feed() makes of len bytes: a line "From " + LF becomes one byte longer, and
 * five bytes may have been held back. */
#define QUOTE_SIZE(len) ((len) + (len) / 6 + 6)

/* Quotes in to out, which has room for QUOTE_SIZE(len). A zeroed struct quote begins a message.
 * Returns the length made. Up to five bytes are held back until the next call. */
size_t quote_feed(struct quote *quote, const char *in, size_t len, char *out);

/* Ends a message: what was held back, and an LF if the last line had none. At most 6 bytes. */
size_t quote_end(struct quote *quote, char *out);

#endif
