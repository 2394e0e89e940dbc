#include "saslprep.h"

#include "unistring.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>
#include <unistr.h>

static __typeof__(&u8_normalize) normalize;
static __typeof__(&u8_mbtoucr) decode;
static __typeof__(&u8_uctomb) encode;
static const struct unicode_normalization_form *nfc, *nfkc;

static int load(void)
{
    static const struct library_symbol symbols[] = {
        {"u8_normalize", &normalize}, {"u8_mbtoucr", &decode}, {"u8_uctomb", &encode},
        {"uninorm_nfc", &nfc},        {"uninorm_nfkc", &nfkc},
    };
    enum { SYMBOLS = sizeof symbols / sizeof symbols[0] };

    if (normalize != NULL)
        return 0;
    return unistring_load(symbols, SYMBOLS);
}

/* RFC 3454 table C.1.2. */
static bool is_space(ucs4_t c)
{
    return c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

/* RFC 3454 table B.1, commonly mapped to nothing; U+200B is there, though table C.1.2 has it too.
 */
static bool is_nothing(ucs4_t c)
{
    return c == 0xad || c == 0x34f || c == 0x1806 || (c >= 0x180b && c <= 0x180d) ||
           (c >= 0x200b && c <= 0x200d) || c == 0x2060 || (c >= 0xfe00 && c <= 0xfe0f) ||
           c == 0xfeff;
}

/* Maps one character after another. Returns the length, or -1. */
static int map(const uint8_t *from, size_t len, enum saslprep_form form, uint8_t to[SASLPREP_MAX])
{
    int made = 0;

    while (len > 0) {
        ucs4_t c;
        int used = decode(&c, from, len);
        if (used <= 0)
            return -1;
        from += used;
        len -= (size_t)used;
        if (form == SASLPREP_COMPATIBLE && is_nothing(c))
            continue;
        int one = encode(to + made, is_space(c) ? ' ' : c, SASLPREP_MAX - 1 - made);
        if (one <= 0)
            return -1;
        made += one;
    }
    return made;
}

int saslprep(struct slice password, enum saslprep_form form, char to[SASLPREP_MAX])
{
    uint8_t mapped[SASLPREP_MAX];
    size_t made = SASLPREP_MAX - 1;
    int result = -1;

    if (slice_is_ascii(password)) {
        if (password.len >= SASLPREP_MAX)
            return -1;
        *(char *)mempcpy(to, password.at, password.len) = '\0';
        return (int)password.len;
    }
    if (load() != 0)
        return -1;
    int mapped_len = map((const uint8_t *)password.at, password.len, form, mapped);
    uint8_t *normal = NULL;
    if (mapped_len >= 0)
        normal = normalize(form == SASLPREP_COMPATIBLE ? nfkc : nfc, mapped, (size_t)mapped_len,
                           (uint8_t *)to, &made);
    if (normal == (uint8_t *)to) {
        to[made] = '\0';
        result = (int)made;
    } else if (normal != NULL) { /* longer than there is room for */
        explicit_bzero(normal, made);
        free(normal);
    }
    explicit_bzero(mapped, sizeof mapped);
    return result;
}
