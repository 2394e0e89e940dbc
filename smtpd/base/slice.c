#include "slice.h"

#include <string.h>

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
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}
