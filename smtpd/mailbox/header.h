/*
 * header: finds the header of a message and its lines, however the text is cut. Pure.
 *
 * The text comes in pieces, lines ended by LF; header_next() returns it in parts, each of one kind.
 * Up to HEADER_LINE_MAX bytes are held back until it is clear what a line of the header is.
 *
 * NULs in the header are left out. Readers take them for a line's end, or for the end of a field's
 * name: in mutt "X: y" NUL swallows the empty line after it, so that text becomes header.
 */
#ifndef MAILSLOT_HEADER_H
#define MAILSLOT_HEADER_H

#include <stdbool.h>
#include <stddef.h>

/* Lines have up to 998 bytes (RFC 5322 2.1.1). Longer ones are returned in several parts; what has
 * no colon within this length is not a field. */
enum { HEADER_LINE_MAX = 1024 };

enum header_kind {
    HEADER_NONE, /* nothing yet: more text must come */
    HEADER_FIELD,
    HEADER_STATE, /* a field in which readers keep the state of a mailbox */
    HEADER_FROM,  /* a line "From ", with any ">" before it, ahead of all fields */
    HEADER_OTHER, /* any other line that is not a field, after fields */
    HEADER_REST,  /* goes on with the part before: the rest of its line, or folded lines */
    HEADER_BODY,  /* the empty line and all after it. Text that begins otherwise has no header. */
};

struct header_part {
    enum header_kind kind;
    const char *text;
    size_t len;
    size_t name_len; /* of a field's name, without blanks before the colon */
};

/* A zeroed struct header begins a message. */
struct header {
    bool in_body;
    bool seen;    /* a field that is not state: what follows is no longer the header's first line */
    bool folding; /* the last line may go on */
    bool in_line; /* the start of this line has been returned, its rest has not */
    size_t len;   /* so much of a line's start is held */
    char line[HEADER_LINE_MAX];
};

/* The next part of a text of len > 0 bytes. Returns how many bytes were taken. The part is valid
 * until the next call. */
size_t header_next(struct header *header, const char *text, size_t len, struct header_part *part);

/* Is the last line of the header without its LF? */
bool header_in_line(const struct header *header);

/* Is this a field of this name, in any letter case? */
bool header_has_name(const struct header_part *part, const char *name);

#endif
