/*
 * memory: what the tools allocate with. Out of memory is the end of a tool: it exits with 111.
 */
#ifndef MAILSLOT_MEMORY_H
#define MAILSLOT_MEMORY_H

#include <stddef.h>
#include <stdio.h>

/* Many small pieces that are freed together. All zero is an empty pool. */
struct pool {
    struct pool_block *blocks;
    char *next;
    size_t left;
};

void *pool_get(struct pool *pool, size_t size);
/* A copy with a NUL behind it. */
char *pool_copy(struct pool *pool, const char *text, size_t len);
/* The same, ASCII letters in lower case. */
char *pool_lower(struct pool *pool, const char *text, size_t len);
char *pool_format(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pool_free(struct pool *pool);

/* Makes room for one more item behind len items; *room is how many there is room for. */
void *memory_grow(void *items, size_t len, size_t *room, size_t item_size);

/* asprintf(3) and open_memstream(3). */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
FILE *memory_stream(char **text, size_t *len);

_Noreturn void memory_fail(void);

#endif
