#include "header_facts.h"

#include <string.h>
#include <strings.h>

void header_facts_begin(struct header_facts *facts, const char *hostname)
{
    *facts = (struct header_facts){.hostname = hostname};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* The key of the address in a whole Delivered-To field, and its length; 0: none. */
static size_t delivered_to(const struct header_part *part, char key[ADDRESS_KEY_MAX])
{
    const char *colon = memchr(part->text.at, ':', part->text.len);
    const char *begin = colon + 1, *end = part->text.at + part->text.len;
    struct address address;

    if (!header_has_name(part, "Delivered-To") || end[-1] != '\n')
        return 0;
    while (begin < end && is_space(*begin))
        begin++;
    while (end > begin && is_space(end[-1]))
        end--;
    return address_parse((struct slice){begin, (size_t)(end - begin)}, &address) == ADDRESS_OK
               ? address_key(&address, key)
               : 0;
}

static void begin_line(struct header_facts *facts, const struct header_part *part)
{
    facts->has_date = facts->has_date || header_has_name(part, "Date");
    facts->has_message_id = facts->has_message_id || header_has_name(part, "Message-ID");
    facts->has_received = facts->has_received || header_has_name(part, "Received");
    if (facts->below) /* only the one field right below Delivered-To counts */
        facts->delivered_len = 0;
    facts->below = facts->delivered_len > 0 && header_has_name(part, "Received");
    facts->reading = facts->below;
    facts->matched = facts->word_len = 0;
    if (!facts->reading)
        facts->delivered_len =
            part->kind == HEADER_FIELD ? delivered_to(part, facts->delivered) : 0;
}

static bool word_is(const struct header_facts *facts, const char *text)
{
    return facts->word_len == strlen(text) && strncasecmp(facts->word, text, facts->word_len) == 0;
}

/* "by HOSTNAME with PROTOCOL id", as trace.c writes it, however it has been folded since. Other
 * servers have a comment after the name or the protocol. */
static void end_word(struct header_facts *facts)
{
    const char *const ours[] = {"by", facts->hostname, "with", NULL, "id"};
    enum { WORDS = sizeof ours / sizeof ours[0] };

    if (facts->word_len == 0)
        return;
    const char *due = ours[facts->matched];
    if (due == NULL || word_is(facts, due))
        facts->matched++;
    else
        facts->matched = word_is(facts, "by");
    facts->word_len = 0;
    facts->reading = facts->matched < WORDS;
}

bool header_facts_part(struct header_facts *facts, const struct header_part *part)
{
    size_t at = 0;

    if (part->kind == HEADER_NONE || part->kind == HEADER_BODY)
        return false;
    if (part->kind != HEADER_REST) {
        begin_line(facts, part);
        at = part->name.len;
        while (facts->reading && at < part->text.len && part->text.at[at++] != ':')
            ;
    }
    for (; facts->reading && at < part->text.len; at++) {
        if (!is_space(part->text.at[at])) {
            if (facts->word_len < sizeof facts->word)
                facts->word[facts->word_len++] = part->text.at[at];
            continue;
        }
        end_word(facts);
        if (!facts->reading)
            return true;
    }
    return false;
}
