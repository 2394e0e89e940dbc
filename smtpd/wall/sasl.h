/*
 * sasl: the names of SASL's mechanisms (RFC 4954). The exchanges themselves are the back's
 * business. Pure.
 */
#ifndef MAILSLOT_SASL_H
#define MAILSLOT_SASL_H

#include "../base/slice.h"
#include "wall.h"

#include <stdbool.h>
#include <stddef.h>

/* The bit of enum wall_mechanism that this name stands for, in upper or lower case; 0: none. */
uint32_t sasl_mechanism(struct slice name);

/* The name of one of them; NULL if there is no such mechanism. */
const char *sasl_name(uint32_t mechanism);

/* Writes the names of these mechanisms, each after a blank, NUL-terminated. */
enum { SASL_NAMES_MAX = 128 };
void sasl_names(uint32_t mechanisms, char to[SASL_NAMES_MAX]);

#endif
