/*
 * hop_text: a message's text as SMTP sends it (RFC 5321 sections 4.1.1.4 and 4.5.2): lines end in
 * CRLF, and one that begins with a dot has another before it. The reverse of front/data.h.
 *
 * Pure. The text comes in lines ended by LF, in pieces cut anywhere. It has no CR; should there be
 * one, it is dropped, because some servers take it for the end of a line.
 */
#ifndef MAILSLOT_HOP_TEXT_H
#define MAILSLOT_HOP_TEXT_H

#include "../base/slice.h"

enum { HOP_TEXT_END_MAX = 5 };

struct hop_text {
    bool in_line; /* what was put out so far does not end a line */
};

void hop_text_begin(struct hop_text *text);

/* Reads from in, writes to out, at most size bytes (3 or more), and sets *out_len. Returns how many
 * bytes of in were read: all, unless there is no more room. */
size_t hop_text_feed(struct hop_text *text, struct slice in, char *out, size_t size,
                     size_t *out_len);

/* Ends a line that was left open, and writes the dot. Returns the number of bytes. */
size_t hop_text_end(struct hop_text *text, char out[HOP_TEXT_END_MAX]);

#endif
