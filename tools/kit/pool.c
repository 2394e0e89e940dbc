#include "pool.h"

#include "memory.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 64 << 10 };

struct pool_block {
    struct pool_block *older;
    alignas(max_align_t) char bytes[];
};

void *pool_get(struct pool *pool, size_t size)
{
    size_t skipped = pool->left % alignof(max_align_t); /* blocks are of aligned sizes */

    if (skipped > 0)
        pool->next += skipped;
    pool->left -= skipped;
    return pool_text(pool, size);
}

char *pool_text(struct pool *pool, size_t size)
{
    size = size == 0 ? 1 : size;
    if (size > pool->left) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        room = (room + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
        struct pool_block *block = memory_get(sizeof *block + room);
        block->older = pool->blocks;
        pool->blocks = block;
        pool->next = block->bytes;
        pool->left = room;
    }
    char *got = pool->next;
    pool->next += size;
    pool->left -= size;
    return got;
}

char *pool_copy(struct pool *pool, struct slice text)
{
    char *copy = pool_text(pool, text.len + 1);

    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return copy;
}

char *pool_lower(struct pool *pool, struct slice text)
{
    char *copy = pool_copy(pool, text);

    for (char *at = copy; at < copy + text.len; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + ('a' - 'A'));
    return copy;
}

char *pool_format(struct pool *pool, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    char *text = memory_vformat(format, arguments);
    va_end(arguments);
    char *copy = pool_copy(pool, slice_of(text));
    free(text);
    return copy;
}

void pool_free(struct pool *pool)
{
    while (pool->blocks != NULL) {
        struct pool_block *older = pool->blocks->older;
        free(pool->blocks);
        pool->blocks = older;
    }
    *pool = (struct pool){0};
}
