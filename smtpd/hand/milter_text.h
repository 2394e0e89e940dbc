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

/* The reverse, for a body in pieces of any size; out has room for in. A bare LF also ends a line,
 * and NUL is allowed, as in a body that a client sends. *cr: the previous piece ended in CR; false
 * at first. Returns false at a bare CR. */
bool milter_text_decode(struct slice in, bool *cr, char *out, size_t *len);

#endif
