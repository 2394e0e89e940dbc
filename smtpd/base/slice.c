#include "slice.h"

#include <string.h>
#include <strings.h>

struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

bool slice_begins(struct slice slice, const char *word)
{
    return slice.len >= strlen(word) && memcmp(slice.at, word, strlen(word)) == 0;
}

bool slice_ends(struct slice slice, const char *word)
{
    size_t len = strlen(word);

    return slice.len >= len && memcmp(slice.at + slice.len - len, word, len) == 0;
}

bool slice_is(struct slice slice, const char *word)
{
    return slice.len == strlen(word) && slice_begins(slice, word);
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && slice_compare(a, b) == 0;
}

int slice_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.at, b.at, len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool slice_is_word(struct slice slice, const char *word)
{
    return slice.len == strlen(word) && slice_begins_word(slice, word);
}

bool slice_begins_word(struct slice slice, const char *word)
{
    return slice.len >= strlen(word) && strncasecmp(slice.at, word, strlen(word)) == 0;
}

struct slice slice_until(struct slice slice, char byte)
{
    const char *end = slice.len == 0 ? NULL : memchr(slice.at, byte, slice.len);

    return end == NULL ? slice : (struct slice){slice.at, (size_t)(end - slice.at)};
}

struct slice slice_from(struct slice slice, size_t len)
{
    if (len > slice.len)
        len = slice.len;
    return (struct slice){slice.at + len, slice.len - len};
}

struct slice slice_cut(struct slice *rest, char byte)
{
    struct slice part = slice_until(*rest, byte);

    *rest = slice_from(*rest, part.len + 1);
    return part;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice slice)
{
    while (slice.len > 0 && is_blank(slice.at[slice.len - 1]))
        slice.len--;
    while (slice.len > 0 && is_blank(*slice.at))
        slice = slice_from(slice, 1);
    return slice;
}

struct slice slice_cut_word(struct slice *rest)
{
    struct slice word = slice_until(slice_until(*rest, ' '), '\t');

    *rest = slice_trim(slice_from(*rest, word.len));
    return word;
}

struct slice slice_trim_spaces(struct slice slice)
{
    while (slice.len > 0 && slice.at[slice.len - 1] == ' ')
        slice.len--;
    while (slice.len > 0 && *slice.at == ' ')
        slice = slice_from(slice, 1);
    return slice;
}

bool slice_number(struct slice slice, uint64_t *number)
{
    bool exceeds = false;

    *number = 0;
    for (size_t i = 0; i < slice.len; i++) {
        if (slice.at[i] < '0' || slice.at[i] > '9') {
            *number = 0;
            return false;
        }
        exceeds = exceeds || __builtin_mul_overflow(*number, 10, number) ||
                  __builtin_add_overflow(*number, (uint64_t)(slice.at[i] - '0'), number);
    }
    if (exceeds)
        *number = UINT64_MAX;
    return slice.len > 0 && !exceeds;
}

bool slice_has(struct slice slice, char byte)
{
    return slice.len > 0 && memchr(slice.at, byte, slice.len) != NULL;
}

bool slice_is_ascii(struct slice slice)
{
    for (size_t i = 0; i < slice.len; i++)
        if ((unsigned char)slice.at[i] > 0x7f)
            return false;
    return true;
}
