/*
 * memory: allocation for the tools. If there is no memory, the program exits with 111.
 */
#ifndef MAILSLOT_MEMORY_H
#define MAILSLOT_MEMORY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* malloc(3). */
void *memory_get(size_t size);

/* Makes room for one more item after len items; *room is the number of items that fit. */
void *memory_grow(void *items, size_t len, size_t *room, size_t item_size);

/* asprintf(3), vasprintf(3) and open_memstream(3). */
char *memory_vformat(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
FILE *memory_stream(char **text, size_t *len);

_Noreturn void memory_fail(void);

#endif
