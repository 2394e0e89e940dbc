#include "secured.h"

#include <ctype.h>
#include <string.h>

static bool is_name(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && strchr("._-", text[i]) == NULL)
            return false;
    return len > 0 && len < size;
}

bool secured_valid(const struct wall_secured *facts)
{
    return is_name(facts->protocol, sizeof facts->protocol) &&
           is_name(facts->cipher, sizeof facts->cipher) && facts->resumed <= 1 &&
           facts->chain_len <= sizeof facts->chain &&
           facts->exporter.len <= sizeof facts->exporter.bytes &&
           facts->unique.len <= sizeof facts->unique.bytes;
}

void secured_bind(struct secured *secured, const struct keyring *keyring)
{
    secured->end_points_len = keyring->count;
    for (size_t i = 0; i < keyring->count; i++)
        keyring_end_point(keyring, i, &secured->end_points[i]);
}
