/*
 * milter_change: what a filter wants to have changed, at the end of a message, checked. Pure.
 *
 * Names of fields are RFC 5322's, and not too long. A LF in a value is followed by a blank or a
 * tab; before it, a CR is dropped. Addresses and reasons have no control characters. Parameters of
 * SMTP that may come with addresses are ignored.
 */
#ifndef MAILSLOT_MILTER_CHANGE_H
#define MAILSLOT_MILTER_CHANGE_H

#include "../wall/milter.h"

#include <stdbool.h>
#include <stddef.h>

enum { MILTER_REASON_MAX = 500 };

/* Is this the letter of a change, other than that of the body? */
bool milter_change_is(char letter);

/* May a filter that was negotiated with these actions make it? */
bool milter_change_is_due(char letter, uint32_t actions);

/* Reads one. leading_space: values begin right after the colon; else a space is put before them.
 * Sets *strings_len to what is used of the change's strings. False: malformed. */
bool milter_change_read(char letter, struct slice data, bool leading_space,
                        struct wall_milter_change *change, size_t *strings_len);

#endif
