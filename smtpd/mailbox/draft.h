/*
 * draft: the text of a message while filters look at it, and change it: between its reception
 * (message.h) and its delivery.
 *
 * The header is in memory: whole fields, each ended by LF, without the empty line after them. The
 * body is in a spool: as it was received, or as a filter has replaced it. The first line that is
 * not a field ends the header, as in Postfix, so that filters and readers agree on where it ends;
 * an empty line is put before it. A line "From " before all fields becomes the field
 * X-Mailbox-Line.
 *
 * Our Received field is not in the draft, and filters do not see it, but they count it when they
 * insert: index 0 is above it, 1 right below it (as Postfix and Sendmail do it). draft_above() is
 * where it belongs.
 *
 * What a filter changes stays only after draft_keep(). A change that cannot be made is the filter's
 * fault: the functions return what is wrong with it, as a static string, or NULL. Errors of the
 * system are not: they are in error, an errno, and the message is deferred.
 */
#ifndef MAILSLOT_DRAFT_H
#define MAILSLOT_DRAFT_H

#include "header.h"
#include "spool.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DRAFT_HEADER_MAX = 1 << 20, /* with what filters add */
    DRAFT_ABOVE_MAX = 32768,    /* of fields above our Received field */
    DRAFT_GROWTH_MAX = 1 << 20, /* that header and body may exceed the largest message by */
};

enum draft_body {
    DRAFT_NONE = -1,
    DRAFT_FIRST, /* bodies of filters */
    DRAFT_SECOND,
    DRAFT_RECEIVED, /* what was received */
};

struct draft {
    bool begun;
    int error;      /* of the system; 0: none */
    bool too_large; /* the header as it was received exceeds DRAFT_HEADER_MAX */
    bool in_body;
    bool header_changed, body_changed; /* since draft_keep() */
    uint64_t longest;                  /* header and body */
    uint64_t body_at;                  /* where in received it begins, after the empty line */
    size_t len, above;                 /* of the header; of its fields above ours */
    size_t kept_len, kept_above;
    enum draft_body body;
    enum draft_body new_body; /* that is being written; or DRAFT_NONE */
    struct spool received;    /* the text as it was received, with its header */
    struct spool bodies[2];
    char header[DRAFT_HEADER_MAX];
    char kept[DRAFT_HEADER_MAX]; /* what draft_undo() restores, if header_changed */
};

/* There is no draft yet. */
void draft_init(struct draft *draft);

/* Begins one, whose spools make their files in root. longest: the largest message there may be, in
 * bytes. */
void draft_begin(struct draft *draft, const char *root, uint64_t longest);

/* The message is for this mailbox, too (spool.h). The path must stay valid. */
void draft_goes_to(struct draft *draft, struct slice mailbox);

/* Adds a part of the message as it is received; and at last: the message is complete. */
void draft_part(struct draft *draft, const struct header_part *part);
void draft_end(struct draft *draft);

/* Puts whole fields, each ended by LF, on top of the header, below our Received field. */
void draft_put_on_top(struct draft *draft, struct slice fields);

/* ---- for filters ---------------------------------------------------------------------------- */

/* The header, and the part of it that belongs above our Received field. */
struct slice draft_header(const struct draft *draft);
struct slice draft_above(const struct draft *draft);

/* Removes the first field, with its LFs, from the front of a header. Returns it; empty if there is
 * none left. */
struct slice draft_next_field(struct slice *header);

/* Writes the body in pieces, as often as is wanted: all after the empty line. 0, or -1 with errno,
 * which write() returns too. */
int draft_copy_body(struct draft *draft, int (*write)(void *context, const char *bytes, size_t len),
                    void *context);

/* Adds a field after all others, or at an index from 0. A value is all that comes after the colon,
 * without the last LF. */
const char *draft_add_field(struct draft *draft, struct slice name, struct slice value);
const char *draft_insert_field(struct draft *draft, size_t index, struct slice name,
                               struct slice value);

/* Changes one of the fields with this name, which is case-insensitive: index 1 (or 0) is the first
 * of them. If there are fewer, the field is added. An empty value deletes the field. */
const char *draft_change_field(struct draft *draft, size_t index, struct slice name,
                               struct slice value);

/* The next part of a new body, which may be empty. Its lines end in LF. */
const char *draft_body_part(struct draft *draft, struct slice part);

/* Keep or undo the changes since the last call of either. Errors of the system are in `error`. */
void draft_keep(struct draft *draft);
void draft_undo(struct draft *draft);

/* Forgets the draft, if there is one. */
void draft_drop(struct draft *draft);

#endif
