#include "hop_offers.h"

#include <string.h>

static bool take_name(struct slice *rest, char *to, size_t size)
{
    struct slice name = slice_cut_word(rest);

    if (name.len == 0 || name.len >= size)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~')
            return false;
    if (slice_is(name, "-"))
        name.len = 0;
    memcpy(to, name.at, name.len);
    to[name.len] = '\0';
    return true;
}

static void add_host(struct wall_hop_ready *offers, struct slice rest)
{
    struct wall_hop_ready with = *offers;

    if (offers->host[0] != '\0' || !take_name(&rest, with.host, sizeof with.host) ||
        !take_name(&rest, with.protocol, sizeof with.protocol) ||
        !take_name(&rest, with.cipher, sizeof with.cipher))
        return;
    with.verified = slice_is_word(rest, "yes");
    if (with.verified || slice_is_word(rest, "no"))
        *offers = with;
}

void hop_offers_add(struct wall_hop_ready *offers, struct slice line)
{
    static const struct {
        const char *word;
        enum hop_extension extension;
    } extensions[] = {
        {"PIPELINING", HOP_PIPELINING}, {"8BITMIME", HOP_8BITMIME},
        {"SMTPUTF8", HOP_SMTPUTF8},     {"SIZE", HOP_SIZE},
        {"REQUIRETLS", HOP_REQUIRETLS},
    };
    struct slice rest = slice_trim(line), word = slice_cut_word(&rest);

    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (slice_is_word(word, extensions[i].word))
            offers->extensions |= extensions[i].extension;
    if (slice_is_word(word, "SIZE"))
        slice_number(rest, &offers->size);
    else if (slice_is_word(word, "XRELAY"))
        add_host(offers, rest);
}
