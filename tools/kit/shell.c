#include "shell.h"

#include <string.h>

const char *shell_quote(struct pool *pool, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=:,./@%";
    size_t len = strlen(text);

    if (len > 0 && strspn(text, plain) == len)
        return text;
    char *quoted = pool_get(pool, 4 * len + 3), *to = quoted;
    *to++ = '\'';
    for (; *text != '\0'; text++)
        if (*text == '\'')
            to = mempcpy(to, "'\\''", 4);
        else
            *to++ = *text;
    *to++ = '\'';
    *to = '\0';
    return quoted;
}
