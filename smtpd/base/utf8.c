#include "utf8.h"

#include <stdbool.h>

size_t utf8_decode(const char *text, size_t len, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *from = (const unsigned char *)text;
    size_t size = from[0] < 0x80 ? 1 : from[0] < 0xe0 ? 2 : from[0] < 0xf0 ? 3 : 4;

    if (size > len || (from[0] >= 0x80 && from[0] < 0xc0) || from[0] >= 0xf8)
        return 0;
    *c = size == 1 ? from[0] : from[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((from[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (from[i] & 0x3f);
    }
    bool invalid = *c < least[size] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff);
    return invalid ? 0 : size;
}
