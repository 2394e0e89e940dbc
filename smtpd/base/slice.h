/*
 * slice: a piece of a text, not NUL-terminated. The text is kept elsewhere, and must outlive the
 * slice. Pure.
 */
#ifndef MAILSLOT_SLICE_H
#define MAILSLOT_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
bool slice_is_ascii(struct slice slice);
bool slice_has(struct slice slice, char byte);

/* The order of their bytes, as in qsort(). */
int slice_compare(struct slice a, struct slice b);

/* As slice_is() and slice_begins(), with ASCII letters in either case. */
bool slice_is_word(struct slice slice, const char *word);
bool slice_begins_word(struct slice slice, const char *word);

/* The part before the first such byte; all of it if there is none. */
struct slice slice_until(struct slice slice, char byte);

/* The part after the first len bytes; empty if there are no more. */
struct slice slice_from(struct slice slice, size_t len);

/* Removes the part before the first such byte, and the byte, from the front. Returns the part;
 * all of it if there is no such byte. */
struct slice slice_cut(struct slice *rest, char byte);

/* Without the blanks and tabs at both ends. */
struct slice slice_trim(struct slice slice);

/* The same with the first blank or tab, and all blanks and tabs that follow it. */
struct slice slice_cut_word(struct slice *rest);

/* Without the spaces at both ends; in SMTP, a tab is not a space. */
struct slice slice_trim_spaces(struct slice slice);

/* Reads all of it as a number in decimal digits. False: it is not one, or exceeds 64 bits; *number
 * is then 0 or UINT64_MAX. */
bool slice_number(struct slice slice, uint64_t *number);

#endif
