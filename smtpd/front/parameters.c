#include "parameters.h"

#include <stdio.h>
#include <string.h>

/* RFC 1870: up to 20 digits; what exceeds 64 bits is too large all the same. */
static enum reply take_size(struct slice value, struct wall_message *message)
{
    uint64_t *size = &message->mail.size;
    bool good = (slice_number(value, size) || *size == UINT64_MAX) && value.len <= 20;

    return good ? REPLY_OK : REPLY_BAD_PARAMETER;
}

/* RFC 6152: either is delivered as it comes. */
static enum reply take_body(struct slice value, struct wall_message *message)
{
    bool seven = slice_is_word(value, "7BIT");

    if (slice_is_word(value, "BINARYMIME"))
        return REPLY_BINARYMIME;
    message->mail.body = seven ? WALL_BODY_7BIT : WALL_BODY_8BITMIME;
    return seven || slice_is_word(value, "8BITMIME") ? REPLY_OK : REPLY_BAD_PARAMETER;
}

/* RFC 3461 section 4. */
static bool is_xtext(struct slice text)
{
    static const char hexadecimal[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c <= ' ' || c > '~' || c == '=')
            return false;
        if (c == '+' && (text.len - i < 3 || strchr(hexadecimal, text.at[i + 1]) == NULL ||
                         strchr(hexadecimal, text.at[i + 2]) == NULL))
            return false;
    }
    return text.len > 0;
}

/* RFC 4954 section 5: it proves nothing, but filters may want to know. */
static enum reply take_auth(struct slice value, struct wall_message *message)
{
    struct wall_mail *mail = &message->mail;

    if (!is_xtext(value))
        return REPLY_BAD_PARAMETER;
    if (value.len <= sizeof mail->author) {
        memcpy(mail->author, value.at, value.len);
        mail->author_len = (uint8_t)value.len;
    }
    return REPLY_OK;
}

/* RFC 8689. */
static enum reply take_require_tls(struct slice value, struct wall_message *message)
{
    (void)value;
    message->mail.require_tls = 1;
    return REPLY_OK;
}

/* RFC 6531. */
static enum reply take_utf8(struct slice value, struct wall_message *message)
{
    (void)value;
    message->mail.utf8 = 1;
    return REPLY_OK;
}

/* draft-hall-prdr. */
static enum reply take_prdr(struct slice value, struct wall_message *message)
{
    (void)value;
    message->mail.prdr = 1;
    return REPLY_OK;
}

static bool has_auth(const struct wall_settings *settings)
{
    return settings->auth;
}

static bool is_secure(const struct wall_settings *settings)
{
    return settings->secure;
}

/* LMTP has a reply for each recipient anyway. */
static bool is_smtp(const struct wall_settings *settings)
{
    return !settings->lmtp;
}

static const struct {
    const char *keyword;
    const char *command;
    const char *value; /* as HELP shows it; NULL: it has none */
    enum reply (*take)(struct slice value, struct wall_message *message);
    bool (*offered)(const struct wall_settings *settings); /* NULL: always */
} parameters[] = {
    {"SIZE", "MAIL", "n", take_size, NULL},
    {"BODY", "MAIL", "7BIT|8BITMIME", take_body, NULL},
    {"AUTH", "MAIL", "address", take_auth, has_auth},
    {"REQUIRETLS", "MAIL", NULL, take_require_tls, is_secure},
    {"SMTPUTF8", "MAIL", NULL, take_utf8, NULL},
    {"PRDR", "MAIL", NULL, take_prdr, is_smtp},
};

enum { PARAMETERS = sizeof parameters / sizeof parameters[0] };

static bool is_offered(size_t i, const char *command, const struct wall_settings *settings)
{
    return strcmp(parameters[i].command, command) == 0 &&
           (parameters[i].offered == NULL || parameters[i].offered(settings));
}

/* The row of a parameter that is offered; PARAMETERS: it has none. */
static size_t find(struct slice keyword, const char *command, const struct wall_settings *settings)
{
    size_t i = 0;

    while (i < PARAMETERS &&
           !(slice_is_word(keyword, parameters[i].keyword) && is_offered(i, command, settings)))
        i++;
    return i;
}

static bool is_keyword(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)(text.at[i] | 0x20);
        bool alnum = (c >= 'a' && c <= 'z') || (text.at[i] >= '0' && text.at[i] <= '9');
        if (!alnum && (i == 0 || text.at[i] != '-'))
            return false;
    }
    return text.len > 0;
}

/* One parameter, "keyword" or "keyword=value"; none may come twice. */
static enum reply parse_one(const char *command, struct slice text,
                            const struct wall_settings *settings, struct wall_message *message,
                            unsigned *seen)
{
    struct slice keyword = slice_until(text, '=');
    struct slice value = slice_from(text, keyword.len + 1);
    bool has_value = keyword.len < text.len;

    if (!is_keyword(keyword))
        return REPLY_SYNTAX;
    size_t i = find(keyword, command, settings);
    if (i == PARAMETERS)
        return REPLY_UNKNOWN_PARAMETER;
    if (has_value != (parameters[i].value != NULL))
        return REPLY_BAD_PARAMETER;
    enum reply reply = parameters[i].take(value, message);
    if (reply == REPLY_OK && *seen & 1u << i)
        return REPLY_BAD_PARAMETER;
    *seen |= 1u << i;
    return reply;
}

enum reply parameters_parse(const char *command, struct slice text,
                            const struct wall_settings *settings, struct wall_message *message)
{
    enum reply reply = REPLY_OK;
    unsigned seen = 0;

    while (reply == REPLY_OK && (text = slice_trim_spaces(text)).len > 0) {
        struct slice one = slice_until(text, ' ');
        reply = parse_one(command, one, settings, message, &seen);
        text = slice_from(text, one.len);
    }
    return reply;
}

bool parameters_offer(const char *keyword, const struct wall_settings *settings)
{
    return find(slice_of(keyword), "MAIL", settings) < PARAMETERS;
}

const char *parameters_syntax(const char *command, const struct wall_settings *settings,
                              char to[PARAMETERS_TEXT_MAX])
{
    int len = 0;

    *to = '\0';
    for (size_t i = 0; i < PARAMETERS; i++) {
        const char *value = parameters[i].value;
        if (is_offered(i, command, settings))
            len += snprintf(to + len, PARAMETERS_TEXT_MAX - (size_t)len, " [%s%s%s]",
                            parameters[i].keyword, value == NULL ? "" : "=",
                            value == NULL ? "" : value);
    }
    return to;
}
