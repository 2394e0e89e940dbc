#include "base64.h"

#include <stdbool.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const char *bytes, size_t len, char *to)
{
    const unsigned char *from = (const unsigned char *)bytes;
    size_t made = 0;

    for (; len > 0; from += 3) {
        size_t used = len < 3 ? len : 3;
        unsigned group = (unsigned)from[0] << 16 | (used > 1 ? (unsigned)from[1] << 8 : 0) |
                         (used > 2 ? from[2] : 0);
        to[made++] = digits[group >> 18];
        to[made++] = digits[group >> 12 & 63];
        to[made++] = used > 1 ? digits[group >> 6 & 63] : '=';
        to[made++] = used > 2 ? digits[group & 63] : '=';
        len -= used;
    }
    to[made] = '\0';
    return made;
}

enum { NO_DIGIT = 64 };

/* The value of each digit, NO_DIGIT for all other bytes; made when it is first needed. */
static const unsigned char *digit_values(void)
{
    static unsigned char values[256];

    if (values[0] == NO_DIGIT)
        return values;
    memset(values, NO_DIGIT, sizeof values);
    for (unsigned char i = 0; i < NO_DIGIT; i++)
        values[(unsigned char)digits[i]] = i;
    return values;
}

ptrdiff_t base64_decode(struct slice text, char *to, size_t max)
{
    const unsigned char *values = digit_values();
    size_t made = 0;

    if (text.len % 4 != 0)
        return -1;
    for (size_t at = 0; at < text.len; at += 4) {
        const unsigned char *from = (const unsigned char *)text.at + at;
        unsigned all = values[from[0]] | values[from[1]] | values[from[2]] | values[from[3]];
        if (all < NO_DIGIT && made + 3 <= max) {
            to[made++] = (char)(values[from[0]] << 2 | values[from[1]] >> 4);
            to[made++] = (char)(values[from[1]] << 4 | values[from[2]] >> 2);
            to[made++] = (char)(values[from[2]] << 6 | values[from[3]]);
            continue;
        }
        bool last = at + 4 == text.len && text.at[at + 3] == '=';
        size_t padding = !last ? 0 : text.at[at + 2] == '=' ? 2 : 1;
        unsigned group = 0;
        for (size_t i = 0; i < 4; i++) {
            bool is_padding = i >= 4 - padding && text.at[at + i] == '=';
            unsigned value = is_padding ? 0 : values[(unsigned char)text.at[at + i]];
            if (value == NO_DIGIT)
                return -1;
            group = group << 6 | value;
        }
        if (made + 3 - padding > max || group & ((1U << padding * 8) - 1))
            return -1;
        for (size_t i = 0; i < 3 - padding; i++)
            to[made++] = (char)(group >> (16 - 8 * i));
    }
    return (ptrdiff_t)made;
}
