/*
 * record: the text of a database value, `name=value` lines, each ended by a newline.
 */
#ifndef MAILSLOT_RECORD_H
#define MAILSLOT_RECORD_H

#include "../base/slice.h"

/* Takes the first line off *text. The value is everything after the first '='. Returns 1, or 0 if
 * nothing is left, or -1 if the text is not such a line. */
int record_line(struct slice *text, struct slice *name, struct slice *value);

#endif
