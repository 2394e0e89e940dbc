#include "record.h"

#include <string.h>

int record_line(struct slice *text, struct slice *name, struct slice *value)
{
    const char *start = text->at;

    if (text->len == 0)
        return 0;
    const char *newline = memchr(start, '\n', text->len);
    const char *equals = newline == NULL ? NULL : memchr(start, '=', (size_t)(newline - start));
    if (equals == NULL)
        return -1;
    *name = (struct slice){start, (size_t)(equals - start)};
    *value = (struct slice){equals + 1, (size_t)(newline - equals) - 1};
    *text = (struct slice){newline + 1, text->len - (size_t)(newline + 1 - start)};
    return 1;
}
