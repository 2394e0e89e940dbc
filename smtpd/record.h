/*
 * record: the text of a database value, `name=value` lines, each ended by a newline.
 */
#ifndef MAILSLOT_RECORD_H
#define MAILSLOT_RECORD_H

#include <stddef.h>

/* Takes the line at *text apart and moves *text behind it. The value is all behind the first '='.
 * Returns 1, or 0 if *text is at the end, or -1 if what is there is no such line. */
int record_line(const char **text, const char *end, const char **name, size_t *name_len,
                const char **value, size_t *value_len);

#endif
