#include "address.h"

#include "utf8.h"

#include <arpa/inet.h> /* inet_pton: a function on text, no socket is meant */
#include <string.h>

enum { LABEL_MAX = 63 };

struct cursor {
    const char *at;
    const char *end;
};

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_atext(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

static bool next_is(const struct cursor *in, char c)
{
    return in->at < in->end && *in->at == c;
}

/* The length of the non-ASCII character here (RFC 6531 section 3.3), or 0. Control characters are
 * not allowed. */
static size_t decode(const struct cursor *in, uint32_t *c)
{
    enum { FIRST = 0xa0 };
    size_t len = in->at < in->end ? utf8_decode(in->at, (size_t)(in->end - in->at), c) : 0;

    return len > 1 && *c >= FIRST ? len : 0;
}

static size_t wide(const struct cursor *in)
{
    uint32_t c;

    return decode(in, &c);
}

static enum address_result put_local(struct address *out, struct cursor *in, size_t len)
{
    if (len > ADDRESS_LOCAL_MAX - (size_t)out->local_len)
        return ADDRESS_TOO_LONG;
    memcpy(out->local + out->local_len, in->at, len);
    out->local_len = (uint16_t)(out->local_len + len);
    in->at += len;
    return ADDRESS_OK;
}

static enum address_result parse_quoted(struct cursor *in, struct address *out)
{
    in->at++;
    while (in->at < in->end && *in->at != '"') {
        size_t len = wide(in);
        if (*in->at == '\\')
            in->at++;
        if (len == 0 && (in->at == in->end || !is_printable(*in->at)))
            return ADDRESS_SYNTAX;
        if (put_local(out, in, len == 0 ? 1 : len) != ADDRESS_OK)
            return ADDRESS_TOO_LONG;
    }
    if (!next_is(in, '"'))
        return ADDRESS_SYNTAX;
    in->at++;
    return ADDRESS_OK;
}

static size_t atext(const struct cursor *in)
{
    return in->at < in->end && is_atext(*in->at) ? 1 : wide(in);
}

/* Dots may stand anywhere: some phone companies and devices have had such names (`a..b`, `.a`,
 * `a.`) for decades, and Postfix and Exim accept them. address_write() quotes them. */
static enum address_result parse_unquoted(struct cursor *in, struct address *out)
{
    const char *start = in->at;

    for (size_t len; (len = next_is(in, '.') ? 1 : atext(in)) > 0;)
        if (put_local(out, in, len) != ADDRESS_OK)
            return ADDRESS_TOO_LONG;
    return in->at > start ? ADDRESS_OK : ADDRESS_SYNTAX;
}

/* RFC 5321 4.1.3. A General-address-literal needs a registered tag, and only IPv6 is. */
static enum address_result parse_literal(struct cursor *in)
{
    static const char tag[] = "IPv6:";
    enum { TAG_LEN = sizeof tag - 1 };
    const char *start = in->at + 1;
    const char *close = memchr(in->at, ']', (size_t)(in->end - in->at));
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    int family = AF_INET;

    if (close == NULL)
        return ADDRESS_SYNTAX;
    if (close - start > TAG_LEN && strncasecmp(start, tag, TAG_LEN) == 0) {
        family = AF_INET6;
        start += TAG_LEN;
    }
    size_t len = (size_t)(close - start);
    if (len >= sizeof text || memchr(start, '\0', len) != NULL)
        return ADDRESS_SYNTAX;
    memcpy(text, start, len);
    text[len] = '\0';
    if (inet_pton(family, text, &ignored) != 1)
        return ADDRESS_SYNTAX;
    in->at = close + 1;
    return ADDRESS_OK;
}

/* Characters that show nothing: those that Unicode calls Default_Ignorable_Code_Point, and the
 * line and paragraph separators. UTS 46 maps most of them to nothing, so that a domain with one
 * in it looks like another domain and would be taken for it. The joiners are not among them. */
static bool is_invisible(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},   {0x115f, 0x1160},
        {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200b}, {0x200e, 0x200f},
        {0x2028, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164}, {0xfe00, 0xfe0f},
        {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},
        {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

/* Some scripts need these two between their letters, and IDNA checks where: never at the
 * beginning of a label or after ASCII (RFC 5892 appendix A). */
static bool is_joiner(uint32_t c)
{
    return c == 0x200c || c == 0x200d;
}

/* The length of the next character of a label, or 0. before: the length of the previous one, 0
 * at the beginning. */
static size_t label_character(const struct cursor *in, size_t before)
{
    uint32_t c;

    if (in->at < in->end && (is_alnum(*in->at) || *in->at == '-' || *in->at == '_'))
        return 1;
    size_t len = decode(in, &c);
    return len > 0 && (is_invisible(c) || (is_joiner(c) && before < 2)) ? 0 : len;
}

/* Labels of letters, digits and inner hyphens; underscores too, because they occur in real
 * reverse-paths. The A-label of a label that is not ASCII, and its length, are checked by
 * international_domain(). */
static enum address_result parse_labels(struct cursor *in)
{
    for (;;) {
        const char *label = in->at;
        bool ascii = true;
        for (size_t len = 0; (len = label_character(in, len)) > 0; in->at += len)
            ascii = ascii && len == 1;
        if (in->at == label || *label == '-' || in->at[-1] == '-')
            return ADDRESS_SYNTAX;
        if (ascii && in->at - label > LABEL_MAX)
            return ADDRESS_TOO_LONG;
        if (!next_is(in, '.'))
            return ADDRESS_OK;
        in->at++;
    }
}

static enum address_result parse_domain(struct cursor *in)
{
    const char *start = in->at;
    enum address_result result = next_is(in, '[') ? parse_literal(in) : parse_labels(in);

    if (result == ADDRESS_OK && in->at - start > ADDRESS_DOMAIN_MAX)
        return ADDRESS_TOO_LONG;
    return result;
}

static enum address_result parse_mailbox(struct cursor *in, struct address *out)
{
    enum address_result result = next_is(in, '"') ? parse_quoted(in, out) : parse_unquoted(in, out);

    if (result != ADDRESS_OK || !next_is(in, '@'))
        return result;
    const char *domain = ++in->at;
    result = parse_domain(in);
    if (result != ADDRESS_OK)
        return result;
    out->domain_len = (uint16_t)(in->at - domain);
    memcpy(out->domain, domain, out->domain_len);
    return ADDRESS_OK;
}

/* "@a,@b:" in front of a mailbox: RFC 5321 appendix C and 4.1.2 say accept and ignore. */
static enum address_result skip_source_route(struct cursor *in)
{
    while (next_is(in, '@')) {
        in->at++;
        enum address_result result = parse_domain(in);
        if (result != ADDRESS_OK)
            return result;
        if (next_is(in, ':')) {
            in->at++;
            return ADDRESS_OK;
        }
        if (!next_is(in, ','))
            return ADDRESS_SYNTAX;
        in->at++;
    }
    return ADDRESS_SYNTAX;
}

enum address_result address_parse_path(struct slice text, struct address *out, size_t *used)
{
    struct cursor in = {text.at, text.at + text.len};

    out->local_len = out->domain_len = 0;
    if (!next_is(&in, '<'))
        return ADDRESS_SYNTAX;
    in.at++;
    if (!next_is(&in, '>')) {
        enum address_result result = ADDRESS_OK;
        if (next_is(&in, '@'))
            result = skip_source_route(&in);
        if (result == ADDRESS_OK)
            result = parse_mailbox(&in, out);
        if (result == ADDRESS_OK && out->local_len == 0 &&
            out->domain_len == 0) /* <""> is not <> */
            result = ADDRESS_SYNTAX;
        if (result != ADDRESS_OK)
            return result;
    }
    if (!next_is(&in, '>'))
        return ADDRESS_SYNTAX;
    *used = (size_t)(in.at + 1 - text.at);
    return ADDRESS_OK;
}

enum address_result address_parse(struct slice text, struct address *out)
{
    struct cursor in = {text.at, text.at + text.len};

    out->local_len = out->domain_len = 0;
    enum address_result result = parse_mailbox(&in, out);
    bool is_null = out->local_len == 0 && out->domain_len == 0; /* `""` alone */
    if (result == ADDRESS_OK && (in.at != in.end || is_null))
        return ADDRESS_SYNTAX;
    return result;
}

enum address_result address_parse_domain(struct slice text)
{
    struct cursor in = {text.at, text.at + text.len};
    enum address_result result = parse_domain(&in);

    if (result == ADDRESS_OK && in.at != in.end)
        return ADDRESS_SYNTAX;
    return result;
}

bool address_valid(const struct address *address)
{
    if (address->local_len > ADDRESS_LOCAL_MAX || address->domain_len > ADDRESS_DOMAIN_MAX)
        return false;
    struct cursor in = {address->local, address->local + address->local_len};
    for (size_t len; in.at < in.end; in.at += len) {
        len = is_printable(*in.at) ? 1 : wide(&in);
        if (len == 0)
            return false;
    }
    return address->domain_len == 0 ||
           address_parse_domain((struct slice){address->domain, address->domain_len}) == ADDRESS_OK;
}

bool address_is_ascii(const struct address *address)
{
    return slice_is_ascii((struct slice){address->local, address->local_len}) &&
           slice_is_ascii((struct slice){address->domain, address->domain_len});
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->local_len == b->local_len && a->domain_len == b->domain_len &&
           memcmp(a->local, b->local, a->local_len) == 0 &&
           memcmp(a->domain, b->domain, a->domain_len) == 0;
}

static size_t put_folded(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + ('a' - 'A')) : from[i];
    return len;
}

size_t address_key(const struct address *address, char key[ADDRESS_KEY_MAX])
{
    size_t len = put_folded(key, address->local, address->local_len);

    if (address->domain_len > 0) {
        key[len++] = '@';
        len += put_folded(key + len, address->domain, address->domain_len);
    }
    return len;
}

enum address_result address_from_key(struct slice key, struct address *out)
{
    const char *at = memrchr(key.at, '@', key.len);
    size_t local_len = at == NULL ? key.len : (size_t)(at - key.at);
    size_t domain_len = at == NULL ? 0 : key.len - local_len - 1;

    if (local_len > ADDRESS_LOCAL_MAX || domain_len > ADDRESS_DOMAIN_MAX)
        return ADDRESS_TOO_LONG;
    if (at != NULL && domain_len == 0)
        return ADDRESS_SYNTAX;
    out->local_len = (uint16_t)local_len;
    out->domain_len = (uint16_t)domain_len;
    memcpy(out->local, key.at, local_len);
    memcpy(out->domain, key.at + key.len - domain_len, domain_len);
    return address_valid(out) ? ADDRESS_OK : ADDRESS_SYNTAX;
}

/* Is the local part no Dot-string (RFC 5321 4.1.2)? */
static bool needs_quotes(const struct address *address)
{
    struct cursor in = {address->local, address->local + address->local_len};
    bool at_word = true;

    for (; in.at < in.end; at_word = in.at[-1] == '.') {
        size_t len = next_is(&in, '.') && !at_word ? 1 : atext(&in);
        if (len == 0)
            return true;
        in.at += len;
    }
    return at_word;
}

size_t address_write(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    bool null_path = address->local_len == 0 && address->domain_len == 0;
    bool quoted = !null_path && needs_quotes(address);
    size_t len = 0;

    if (quoted)
        text[len++] = '"';
    for (size_t i = 0; i < address->local_len; i++) {
        if (address->local[i] == '"' || address->local[i] == '\\')
            text[len++] = '\\';
        text[len++] = address->local[i];
    }
    if (quoted)
        text[len++] = '"';
    if (address->domain_len > 0) {
        text[len++] = '@';
        memcpy(text + len, address->domain, address->domain_len);
        len += address->domain_len;
    }
    text[len] = '\0';
    return len;
}
