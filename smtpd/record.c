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

bool record_is(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

bool record_number(const char *text, size_t len, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(text[i] - '0'), value))
            return false;
    return len > 0;
}
