#include "offers.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum mechanism mechanism;
    const char *name;
} mechanisms[] = {
    {MECHANISM_OAUTHBEARER, "OAUTHBEARER"},
    {MECHANISM_XOAUTH2, "XOAUTH2"},
    {MECHANISM_SCRAM_PLUS, "SCRAM-SHA-256-PLUS"},
    {MECHANISM_SCRAM, "SCRAM-SHA-256"},
    {MECHANISM_PLAIN, "PLAIN"},
    {MECHANISM_LOGIN, "LOGIN"},
};

enum { MECHANISMS = sizeof mechanisms / sizeof mechanisms[0] };

const char *mechanism_name(enum mechanism mechanism)
{
    for (size_t i = 0; i < MECHANISMS; i++)
        if (mechanisms[i].mechanism == mechanism)
            return mechanisms[i].name;
    return "";
}

enum mechanism offers_best(const struct offers *offers, unsigned usable)
{
    unsigned both = offers->mechanisms & usable;

    return (enum mechanism)(both & -both);
}

void offers_begin(struct offers *offers)
{
    offers->starttls = false;
    offers->mechanisms = 0;
    offers->len = 0;
}

static void add_mechanisms(struct offers *offers, struct slice rest)
{
    while (rest.len > 0) {
        struct slice word = slice_cut_word(&rest);
        for (size_t i = 0; i < MECHANISMS; i++)
            if (slice_is_word(word, mechanisms[i].name))
                offers->mechanisms |= mechanisms[i].mechanism;
    }
}

static bool is_printable(struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] < ' ' || line.at[i] > '~')
            return false;
    return line.len > 0;
}

void offers_add(struct offers *offers, struct slice line)
{
    struct slice rest = line, word = slice_cut_word(&rest);

    if (slice_is_word(word, "STARTTLS")) {
        offers->starttls = true;
    } else if (slice_is_word(word, "AUTH")) {
        add_mechanisms(offers, rest);
    } else if (slice_begins_word(word, "AUTH=")) {
        add_mechanisms(offers, slice_from(line, strlen("AUTH=")));
    } else if (!slice_is_word(word, "XRELAY") && is_printable(line) &&
               line.len < sizeof offers->lines - offers->len) {
        memcpy(offers->lines + offers->len, line.at, line.len);
        offers->len += line.len;
        offers->lines[offers->len++] = '\n';
    }
}

size_t offers_write(const struct offers *offers, const struct offers_facts *facts,
                    char to[OFFERS_REPLY_MAX])
{
    struct slice rest = {offers->lines, offers->len};
    size_t len = (size_t)sprintf(to, "250-%.255s\r\n", facts->name);

    while (rest.len > 0) {
        struct slice line = slice_cut(&rest, '\n'), after = line;
        if (facts->verified || !slice_is_word(slice_cut_word(&after), "REQUIRETLS"))
            len += (size_t)sprintf(to + len, "250-%.*s\r\n", SLICE(line));
    }
    return len + (size_t)sprintf(to + len, "250 XRELAY %.255s %.15s %.63s %s\r\n", facts->host,
                                 facts->protocol, facts->cipher, facts->verified ? "yes" : "no");
}
