/*
 * record: the text of a database value, `name=value` lines, each ended by a newline.
 */
#ifndef MAILSLOT_RECORD_H
#define MAILSLOT_RECORD_H

#include "../base/slice.h"

#include <stdint.h>

/* Takes the first line off *text. The value is all behind the first '='. Returns 1, or 0 if there
 * is no more, or -1 if what is there is no such line. */
int record_line(struct slice *text, struct slice *name, struct slice *value);

/* Reads the text as a whole number. False if it is none, or greater than 64 bits hold. */
bool record_number(struct slice text, uint64_t *value);

#endif
