#include "record.h"

#include <string.h>

int record_line(const char **text, const char *end, const char **name, size_t *name_len,
                const char **value, size_t *value_len)
{
    if (*text == end)
        return 0;
    const char *newline = memchr(*text, '\n', (size_t)(end - *text));
    if (newline == NULL)
        return -1;
    const char *equals = memchr(*text, '=', (size_t)(newline - *text));
    if (equals == NULL)
        return -1;
    *name = *text;
    *name_len = (size_t)(equals - *text);
    *value = equals + 1;
    *value_len = (size_t)(newline - *value);
    *text = newline + 1;
    return 1;
}
