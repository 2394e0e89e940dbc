#include "bearer.h"

#include <stdio.h>

/* A saslname of RFC 5801 section 4: `,` and `=` are escaped. */
static size_t write_name(struct slice user, char *to, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < user.len; i++) {
        char byte = user.at[i];
        bool special = byte == ',' || byte == '=';
        if (size - len < 4)
            return 0;
        len += (size_t)snprintf(to + len, 4, special ? "=%02X" : "%c", byte);
    }
    return len;
}

static size_t fits(int len, size_t size)
{
    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

size_t bearer_write(struct slice user, struct slice host, uint16_t port, struct slice token,
                    char *to, size_t size)
{
    char name[1024];
    struct slice written = {name, write_name(user, name, sizeof name)};

    if (written.len == 0)
        return 0;
    return fits(snprintf(to, size, "n,a=%.*s,\1host=%.*s\1port=%u\1auth=Bearer %.*s\1\1",
                         SLICE(written), SLICE(host), port, SLICE(token)),
                size);
}

size_t bearer_write_xoauth2(struct slice user, struct slice token, char *to, size_t size)
{
    return fits(snprintf(to, size, "user=%.*s\1auth=Bearer %.*s\1\1", SLICE(user), SLICE(token)),
                size);
}
