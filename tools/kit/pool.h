/*
 * pool: many small pieces of memory that are freed together.
 */
#ifndef MAILSLOT_POOL_H
#define MAILSLOT_POOL_H

#include "../../smtpd/base/slice.h"

#include <stddef.h>

/* All zero is an empty pool. */
struct pool {
    struct pool_block *blocks;
    char *next;
    size_t left;
};

void *pool_get(struct pool *pool, size_t size);
/* The same for text, which need not be aligned and therefore takes less room. */
char *pool_text(struct pool *pool, size_t size);
/* A copy with a NUL after it. */
char *pool_copy(struct pool *pool, struct slice text);
/* The same, ASCII letters in lower case. */
char *pool_lower(struct pool *pool, struct slice text);
char *pool_format(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pool_free(struct pool *pool);

#endif
