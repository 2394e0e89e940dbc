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

/* The length of the character that is not ASCII here (RFC 6531 section 3.3), or 0; control
 * characters are none. */
static size_t wide(const struct cursor *in)
{
    enum { FIRST = 0xa0 };
    uint32_t c;
    size_t len = in->at < in->end ? utf8_decode(in->at, (size_t)(in->end - in->at), &c) : 0;

    return len > 1 && c >= FIRST ? len : 0;
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

static enum address_result parse_dot_string(struct cursor *in, struct address *out)
{
    for (;;) {
        size_t len = atext(in);
        if (len == 0)
            return ADDRESS_SYNTAX;
        for (; len > 0; len = atext(in))
            if (put_local(out, in, len) != ADDRESS_OK)
                return ADDRESS_TOO_LONG;
        if (!next_is(in, '.'))
            return ADDRESS_OK;
        if (put_local(out, in, 1) != ADDRESS_OK)
            return ADDRESS_TOO_LONG;
    }
}

/* RFC 5321 4.1.3. A General-address-literal needs a tag from a standard, and there is none. */
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

static size_t label_character(const struct cursor *in)
{
    return in->at < in->end && (is_alnum(*in->at) || *in->at == '-' || *in->at == '_') ? 1
                                                                                       : wide(in);
}

/* Labels of letters, digits, hyphens inside; underscores too: they occur in real reverse-paths.
 * What stands for a label that is not ASCII, and how long that is, international_domain() knows. */
static enum address_result parse_labels(struct cursor *in)
{
    for (;;) {
        const char *label = in->at;
        bool ascii = true;
        for (size_t len; (len = label_character(in)) > 0; in->at += len)
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
    enum address_result result =
        next_is(in, '"') ? parse_quoted(in, out) : parse_dot_string(in, out);

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

enum address_result address_parse_path(const char *text, size_t len, struct address *out,
                                       size_t *used)
{
    struct cursor in = {text, text + len};

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
    *used = (size_t)(in.at + 1 - text);
    return ADDRESS_OK;
}

enum address_result address_parse(const char *text, size_t len, struct address *out)
{
    struct cursor in = {text, text + len};

    out->local_len = out->domain_len = 0;
    enum address_result result = parse_mailbox(&in, out);
    if (result == ADDRESS_OK && in.at != in.end)
        return ADDRESS_SYNTAX;
    return result;
}

enum address_result address_parse_domain(const char *text, size_t len)
{
    struct cursor in = {text, text + len};
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
           address_parse_domain(address->domain, address->domain_len) == ADDRESS_OK;
}

bool address_text_is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] > 0x7f)
            return false;
    return true;
}

bool address_is_ascii(const struct address *address)
{
    return address_text_is_ascii(address->local, address->local_len) &&
           address_text_is_ascii(address->domain, address->domain_len);
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

enum address_result address_from_key(const char *key, size_t len, struct address *out)
{
    const char *at = memrchr(key, '@', len);
    size_t local_len = at == NULL ? len : (size_t)(at - key);
    size_t domain_len = at == NULL ? 0 : len - local_len - 1;

    if (local_len > ADDRESS_LOCAL_MAX || domain_len > ADDRESS_DOMAIN_MAX)
        return ADDRESS_TOO_LONG;
    if (at != NULL && domain_len == 0)
        return ADDRESS_SYNTAX;
    out->local_len = (uint16_t)local_len;
    out->domain_len = (uint16_t)domain_len;
    memcpy(out->local, key, local_len);
    memcpy(out->domain, key + len - domain_len, domain_len);
    return address_valid(out) ? ADDRESS_OK : ADDRESS_SYNTAX;
}

static bool needs_quotes(const struct address *address)
{
    struct cursor in = {address->local, address->local + address->local_len};
    struct address ignored = {0};

    return parse_dot_string(&in, &ignored) != ADDRESS_OK || in.at != in.end;
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
