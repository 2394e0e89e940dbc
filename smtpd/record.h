/*
 * record: the text of a database value, `name=value` lines, each ended by a newline.
 */
#ifndef MAILSLOT_RECORD_H
#define MAILSLOT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes the line at *text apart and moves *text behind it. The value is all behind the first '='.
 * Returns 1, or 0 if *text is at the end, or -1 if what is there is no such line. */
int record_line(const char **text, const char *end, const char **name, size_t *name_len,
                const char **value, size_t *value_len);

/* Is the text this word? */
bool record_is(const char *text, size_t len, const char *word);

/* Reads the text as a whole number. False if it is none, or greater than 64 bits hold. */
bool record_number(const char *text, size_t len, uint64_t *value);

#endif
