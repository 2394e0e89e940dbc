#include "header.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The key of the address in a Delivered-To field, and its length: 0 if the line is none. */
static size_t delivered_to(const char *line, size_t len, char key[ADDRESS_KEY_MAX])
{
    static const char name[] = "Delivered-To:";
    enum { NAME_LEN = sizeof name - 1 };
    struct address address;

    if (len < NAME_LEN || strncasecmp(line, name, NAME_LEN) != 0)
        return 0;
    line += NAME_LEN;
    len -= NAME_LEN;
    while (len > 0 && is_blank(line[len - 1]))
        len--;
    while (len > 0 && is_blank(*line)) {
        line++;
        len--;
    }
    return address_parse(line, len, &address) == ADDRESS_OK ? address_key(&address, key) : 0;
}

static bool is_field(const char *line, size_t len, const char *name)
{
    return len >= strlen(name) && strncasecmp(line, name, strlen(name)) == 0;
}

bool header_feed(struct header *header, const char *text, size_t len,
                 bool (*found)(void *context, const char *key, size_t key_len), void *context)
{
    char key[ADDRESS_KEY_MAX];

    for (size_t i = 0; i < len && !header->past_header; i++) {
        if (text[i] != '\n') {
            if (header->len < sizeof header->line)
                header->line[header->len++] = text[i];
            continue;
        }
        header->past_header = header->len == 0;
        header->has_date |= is_field(header->line, header->len, "Date:");
        header->has_message_id |= is_field(header->line, header->len, "Message-ID:");
        size_t key_len =
            header->len < sizeof header->line ? delivered_to(header->line, header->len, key) : 0;
        header->len = 0;
        if (key_len > 0 && found(context, key, key_len))
            return true;
    }
    return false;
}
