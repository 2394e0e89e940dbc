/*
 * field: the fields of a message's header (RFC 5322 section 2.2). Pure.
 */
#ifndef MAILSLOT_FIELD_H
#define MAILSLOT_FIELD_H

#include "../../smtpd/base/slice.h"

struct field {
    struct slice whole; /* its lines, with the LF of the last */
    struct slice name;
    struct slice body; /* after the colon, with all line ends */
};

/* Takes the next field from the front of the text. False: the header is over; what follows is an
 * empty line, which is taken, and the body, or a line that is no field. */
bool field_next(struct slice *text, struct field *field);

/* In any letter case. */
bool field_is(const struct field *field, const char *name);

/* Is it one of the names in this list, which ends in NULL? */
bool field_is_one_of(const struct field *field, const char *const *names);

#endif
