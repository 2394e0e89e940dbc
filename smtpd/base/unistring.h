/*
 * unistring: libunistring, for Unicode, loaded only when a text is not ASCII.
 */
#ifndef MAILSLOT_UNISTRING_H
#define MAILSLOT_UNISTRING_H

#include "library.h"

/* As library_load(). */
int unistring_load(const struct library_symbol *symbols, size_t count);

#endif
