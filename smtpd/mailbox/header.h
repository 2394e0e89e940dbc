/*
 * header: splits a message into the fields of its header and its body, however the text is cut.
 * Pure.
 *
 * The text comes in pieces, lines ended by LF; header_next() returns it in parts, each of one kind.
 * Up to HEADER_LINE_MAX bytes are held back until it is clear what a line of the header is.
 *
 * NULs in the header are left out. Readers take them for the end of a line, or of a field's name:
 * in mutt "X: y" NUL swallows the empty line after it, so that text becomes header.
 */
#ifndef MAILSLOT_HEADER_H
#define MAILSLOT_HEADER_H

#include "../base/slice.h"

/* Lines have up to 998 bytes (RFC 5322 2.1.1). Longer ones are returned in several parts; what has
 * no colon within this length is not a field. */
enum { HEADER_LINE_MAX = 1024 };

enum header_kind {
    HEADER_NONE, /* nothing yet: more text must come */
    HEADER_FIELD,
    HEADER_STATE, /* a field in which readers keep the state of a mailbox */
    HEADER_FROM,  /* a line "From ", with any ">" before it, ahead of all fields */
    HEADER_OTHER, /* any other line that is not a field, after fields */
    HEADER_REST,  /* continues the part before: the rest of its line, or folded lines */
    HEADER_BODY,  /* the empty line and all after it; all, if the text does not begin with a header
                   */
};

struct header_part {
    enum header_kind kind;
    struct slice text;
    struct slice name; /* of a field, without blanks before the colon */
};

/* A zeroed struct header begins a message. */
struct header {
    bool in_body;
    bool seen;    /* a field that is not state: the next line is no longer the first */
    bool folding; /* the last line may be continued */
    bool in_line; /* the start of this line has been returned, its rest has not */
    size_t len;   /* of the start of a line, held in: */
    char line[HEADER_LINE_MAX];
};

/* The next part of a text, which is not empty. Returns how many bytes were taken. The part is valid
 * until the next call. */
size_t header_next(struct header *header, struct slice text, struct header_part *part);

/* Is the last line of the header without its LF? */
bool header_in_line(const struct header *header);

/* Is this a field of this name, in any letter case? */
bool header_has_name(const struct header_part *part, const char *name);

#endif
