/*
 * record: the text of a database value, `name=value` lines, each ended by a newline.
 */
#ifndef MAILSLOT_RECORD_H
#define MAILSLOT_RECORD_H

#include "../base/slice.h"

#include <stdint.h>

/* Takes the first line off *text. The value is everything after the first '='. Returns 1, or 0 if
 * nothing is left, or -1 if the text is not such a line. */
int record_line(struct slice *text, struct slice *name, struct slice *value);

/* Reads the text as a whole number. False if it is not one, or exceeds 64 bits. */
bool record_number(struct slice text, uint64_t *value);

#endif
