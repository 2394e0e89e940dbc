/*
 * onward: the text of a message that is passed to another server: as it was received (message.h),
 * without the repairs for mboxes. Our Received field comes before it, so a line "From " before the
 * fields becomes the field X-Mailbox-Line here too, and text without a header gets an empty line
 * before it.
 *
 * It is kept only if a message is passed on; the functions do nothing otherwise.
 */
#ifndef MAILSLOT_ONWARD_H
#define MAILSLOT_ONWARD_H

#include "header.h"
#include "spool.h"

#include <stdbool.h>
#include <stdint.h>

struct onward {
    bool wanted;
    bool in_body;
    bool in_line;     /* the last byte so far is not an LF */
    bool eight_bit;   /* there are bytes other than ASCII, */
    bool utf8_header; /* ... in the header */
    uint64_t lines;   /* LFs: on the wire each has a CR */
    struct spool spool;
};

/* No message is passed on. */
void onward_init(struct onward *onward);

/* The message that begins is. The spool's file is made in root, or where spool_goes_to() says. */
void onward_begin(struct onward *onward, const char *root);

/* The next part. 0, or -1 with errno: it could not be kept. */
int onward_part(struct onward *onward, const struct header_part *part);

/* The message is whole; it ends with an LF. 0, or -1 with errno. */
int onward_end(struct onward *onward);

/* Forgets the message, if there is one. */
void onward_drop(struct onward *onward);

#endif
