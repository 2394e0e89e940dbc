/*
 * mboxrd: makes a message fit for an mbox, and for that alone: the parts of a message (header.h) go
 * in, the bytes for the mailbox come out. Pure.
 *
 * - Fields in which readers keep the state of a mailbox are left out: a sender must not tell them
 *   where the message ends, or that it is deleted.
 * - A "From " line before the fields becomes the field X-Mailbox-Line, as in Postfix.
 * - Text without a header gets an empty line before it, so that it does not continue our fields.
 * - Lines that begin with any number of `>`s and "From " get one `>` more (quote.h).
 * - A message without an empty line gets one at its end: GNU mailutils would look for it in the
 *   next message.
 */
#ifndef MAILSLOT_MBOXRD_H
#define MAILSLOT_MBOXRD_H

#include "header.h"
#include "quote.h"

enum { MBOXRD_PART_MAX = 65536 };

struct mboxrd {
    struct quote quote;
    bool in_body;
    bool leaving_out; /* the last line was left out, so its folded lines are too */
    void (*write)(void *context, const char *bytes, size_t len);
    void *context;
    char quoted[QUOTE_SIZE(MBOXRD_PART_MAX)]; /* of the part at hand */
};

/* Begins a message, whose bytes go to write(). */
void mboxrd_begin(struct mboxrd *mboxrd,
                  void (*write)(void *context, const char *bytes, size_t len), void *context);

/* The next part, of at most MBOXRD_PART_MAX bytes. */
void mboxrd_part(struct mboxrd *mboxrd, const struct header_part *part);

/* The message is whole: its last line gets an LF if it has none, and an empty line follows. */
void mboxrd_end(struct mboxrd *mboxrd);

#endif
