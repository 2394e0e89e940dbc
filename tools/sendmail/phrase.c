#include "phrase.h"

#include "../../smtpd/base/base64.h"

#include <string.h>

/* An encoded word has at most 75 characters: =?utf-8?B?...?= leaves room for 60 of base64. */
enum { WORD_MAX = 45 };

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

static bool is_plain(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (is_control(name.at[i]) || strchr("()<>[]:;@\\,.\"", name.at[i]) != NULL)
            return false;
    return true;
}

static void write_quoted(struct slice name, FILE *to)
{
    putc('"', to);
    for (size_t i = 0; i < name.len; i++) {
        if (is_control(name.at[i]))
            continue;
        if (name.at[i] == '"' || name.at[i] == '\\')
            putc('\\', to);
        putc(name.at[i], to);
    }
    putc('"', to);
}

/* At most WORD_MAX bytes, without cutting a character. */
static struct slice begin_of(struct slice name)
{
    size_t len = name.len < WORD_MAX ? name.len : WORD_MAX;

    while (len < name.len && len > WORD_MAX - 4 && ((unsigned char)name.at[len] & 0xc0) == 0x80)
        len--;
    return (struct slice){name.at, len};
}

static void write_encoded(struct slice name, FILE *to)
{
    char encoded[BASE64_SIZE(WORD_MAX)];

    while (name.len > 0) {
        struct slice part = begin_of(name);
        base64_encode(part.at, part.len, encoded);
        fprintf(to, "=?utf-8?B?%s?=%s", encoded, part.len < name.len ? "\n " : "");
        name = slice_from(name, part.len);
    }
}

void phrase_write(struct slice name, FILE *to)
{
    if (!slice_is_ascii(name))
        write_encoded(name, to);
    else if (is_plain(name))
        fwrite(name.at, 1, name.len, to);
    else
        write_quoted(name, to);
}
