/*
 * slice: a piece of a text that stands elsewhere and must outlive it; not NUL-terminated. Pure.
 */
#ifndef MAILSLOT_SLICE_H
#define MAILSLOT_SLICE_H

#include <stdbool.h>
#include <stddef.h>

struct slice {
    const char *at;
    size_t len;
};

/* For "%.*s". */
#define SLICE(slice) (int)(slice).len, (slice).at

struct slice slice_of(const char *text);

bool slice_is(struct slice slice, const char *word);
bool slice_begins(struct slice slice, const char *word);
bool slice_ends(struct slice slice, const char *word);
bool slice_equal(struct slice a, struct slice b);

#endif
