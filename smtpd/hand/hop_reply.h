/*
 * hop_reply: reads a reply of a hop (RFC 5321 section 4.2), of one line or several, with an
 * enhanced status code (RFC 2034) or without.
 *
 * Pure. Lines end in CRLF or, as other clients accept it too, in LF alone. A reply is malformed as
 * soon as that shows: no code, lines with different codes, a line or a number of lines beyond the
 * limits. Memory is fixed, whatever a hop sends.
 */
#ifndef MAILSLOT_HOP_REPLY_H
#define MAILSLOT_HOP_REPLY_H

#include "../wall/hop.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    HOP_REPLY_LINE_MAX = 2048, /* bytes, its end included; RFC 5321 4.5.3.1.5 has 512 */
    HOP_REPLY_LINE_KEPT = 512, /* bytes of a line that are looked at */
    HOP_REPLY_LINES_MAX = 128,
};

struct hop_reply {
    uint16_t code;
    uint16_t lines;    /* whole ones, so far */
    uint16_t line_len; /* bytes of the line that is being read */
    uint16_t text_len;
    bool ended; /* the line is whole */
    bool full;  /* the text is */
    char line[HOP_REPLY_LINE_KEPT];
    char status[HOP_STATUS_MAX]; /* as in struct wall_hop_reply */
    char text[HOP_TEXT_MAX];
};

enum hop_reply_result {
    HOP_REPLY_PART, /* there is more to come */
    HOP_REPLY_LINE, /* one of its lines is whole, and not the last */
    HOP_REPLY_WHOLE,
    HOP_REPLY_MALFORMED, /* it has no code then; its text is what was read of the line */
};

void hop_reply_begin(struct hop_reply *reply);

/* Has something of it been read? */
bool hop_reply_begun(const struct hop_reply *reply);

/* Reads until the end of a line at most. Returns how many bytes were read. */
size_t hop_reply_feed(struct hop_reply *reply, struct slice bytes, enum hop_reply_result *result);

/* What follows the code in the line that is whole now, or as much of it as was kept. */
struct slice hop_reply_line(const struct hop_reply *reply);

#endif
