#include "hop.h"

/* The length of the number of one to three digits that text begins with; 0: none. */
static size_t number_len(struct slice text)
{
    size_t len = 0;

    while (len < text.len && len < 4 && text.at[len] >= '0' && text.at[len] <= '9')
        len++;
    return len == 4 || (len > 1 && text.at[0] == '0') ? 0 : len;
}

size_t hop_status_len(struct slice text, uint32_t code)
{
    uint32_t class = code / 100;

    if (class == 3 || text.len < 5 || text.at[0] != (char)('0' + class) || text.at[1] != '.')
        return 0;
    size_t subject = number_len(slice_from(text, 2)), len = 2 + subject;
    if (subject == 0 || len == text.len || text.at[len] != '.')
        return 0;
    size_t detail = number_len(slice_from(text, len + 1));
    len += 1 + detail;
    return detail > 0 && (len == text.len || text.at[len] == ' ') ? len : 0;
}
