/*
 * milter_text: what a message is made of, as filters get it and give it back: fields, and parts of
 * a body, whose lines end in CRLF. Pure.
 */
#ifndef MAILSLOT_MILTER_TEXT_H
#define MAILSLOT_MILTER_TEXT_H

#include "../base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Removes a field, with the lines that continue it, from the front of whole fields. The field has
 * no LF at its end. */
struct slice milter_text_cut_field(struct slice *fields);

/* Writes CRLF for LF, at most size bytes (2 or more), and sets *len. Returns how many bytes of in
 * were read: all, unless there is no more room. */
size_t milter_text_encode(struct slice in, char *out, size_t size, size_t *len);

/* The reverse, for a body that comes in pieces cut anywhere; out has room for in. LF alone ends a
 * line, too. *cr: the piece before has ended in CR; first false. False: there is a CR alone. A NUL
 * may be there, as in bodies that are received. */
bool milter_text_decode(struct slice in, bool *cr, char *out, size_t *len);

#endif
