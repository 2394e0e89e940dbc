/*
 * shell: text to be typed into a shell.
 */
#ifndef MAILSLOT_SHELL_H
#define MAILSLOT_SHELL_H

#include "pool.h"

/* The text as one word, in quotes if it needs them; in the pool. */
const char *shell_quote(struct pool *pool, const char *text);

#endif
