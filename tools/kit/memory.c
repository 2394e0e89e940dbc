#include "memory.h"

#include "message.h"

#include <errno.h>
#include <stdlib.h>

_Noreturn void memory_fail(void)
{
    errno = ENOMEM;
    exit(message_errno(EXIT_FAILED, "stopped"));
}

void *memory_get(size_t size)
{
    void *got = malloc(size);

    if (got == NULL)
        memory_fail();
    return got;
}

void *memory_grow(void *items, size_t len, size_t *room, size_t item_size)
{
    if (len < *room)
        return items;
    *room = *room == 0 ? 64 : *room * 2;
    items = reallocarray(items, *room, item_size);
    if (items == NULL)
        memory_fail();
    return items;
}

char *memory_vformat(const char *format, va_list arguments)
{
    char *text;

    if (vasprintf(&text, format, arguments) < 0)
        memory_fail();
    return text;
}

char *memory_format(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    char *text = memory_vformat(format, arguments);
    va_end(arguments);
    return text;
}

FILE *memory_stream(char **text, size_t *len)
{
    FILE *stream = open_memstream(text, len);

    if (stream == NULL)
        memory_fail();
    return stream;
}
