/*
 * field: the form of a header field (RFC 5322 section 2.2) whose lines end in LF.
 */
#ifndef MAILSLOT_FIELD_H
#define MAILSLOT_FIELD_H

#include "slice.h"

#include <stdbool.h>

enum { FIELD_NAME_MAX = 255 };

/* One to FIELD_NAME_MAX printable ASCII characters other than blank and colon. */
bool field_is_name(struct slice name);

/* What follows the colon, without the last LF: no CR or NUL, and each line after the first begins
 * with a blank or a tab. */
bool field_is_value(struct slice value);

#endif
