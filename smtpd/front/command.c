#include "command.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    enum command_verb verb;
    const char *syntax;
} verbs[] = {
    {"HELO", COMMAND_HELO, "HELO domain"},
    {"EHLO", COMMAND_EHLO, "EHLO domain"},
    {"LHLO", COMMAND_LHLO, "LHLO domain"},
    {"STARTTLS", COMMAND_STARTTLS, "STARTTLS"},
    {"AUTH", COMMAND_AUTH, "AUTH mechanism [initial-response]"},
    {"MAIL", COMMAND_MAIL,
     "MAIL FROM:<address> [SIZE=n] [BODY=7BIT|8BITMIME] [AUTH=address] [REQUIRETLS] "
     "[SMTPUTF8] [PRDR]"},
    {"RCPT", COMMAND_RCPT, "RCPT TO:<address>"},
    {"DATA", COMMAND_DATA, "DATA, then the message, then a dot on a line by itself"},
    {"BDAT", COMMAND_BDAT, "BDAT size [LAST], then so many bytes of the message"},
    {"RSET", COMMAND_RSET, "RSET forgets sender and recipients"},
    {"VRFY", COMMAND_VRFY, "VRFY address [SMTPUTF8]"},
    {"HELP", COMMAND_HELP, "HELP [command]"},
    {"NOOP", COMMAND_NOOP, "NOOP [anything]"},
    {"QUIT", COMMAND_QUIT, "QUIT"},
    {"EXPN", COMMAND_ELSEWHERE, NULL},
    {"ETRN", COMMAND_ELSEWHERE, NULL},
    {"SEND", COMMAND_ELSEWHERE, NULL},
    {"SOML", COMMAND_ELSEWHERE, NULL},
    {"SAML", COMMAND_ELSEWHERE, NULL},
    {"TURN", COMMAND_ELSEWHERE, NULL},
    {"GET", COMMAND_HTTP, NULL},
    {"POST", COMMAND_HTTP, NULL},
    {"PUT", COMMAND_HTTP, NULL},
    {"HEAD", COMMAND_HTTP, NULL},
    {"PATCH", COMMAND_HTTP, NULL},
    {"DELETE", COMMAND_HTTP, NULL},
    {"OPTIONS", COMMAND_HTTP, NULL},
    {"CONNECT", COMMAND_HTTP, NULL},
    {"TRACE", COMMAND_HTTP, NULL},
    {"PRI", COMMAND_HTTP, NULL},
};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

struct command command_parse(const char *line, size_t len)
{
    struct command command = {COMMAND_UNKNOWN, line + len, 0};
    const char *space = memchr(line, ' ', len);
    size_t verb_len = space == NULL ? len : (size_t)(space - line);

    if (verb_len > 4 && strncasecmp(line, "BDAT", 4) == 0) /* written wrong, yet a chunk follows */
        verb_len = 4;
    for (size_t i = 0; i < VERBS; i++)
        if (is_word(line, verb_len, verbs[i].name))
            command.verb = verbs[i].verb;
    command.argument = line + verb_len;
    command.argument_len = len - verb_len;
    while (command.argument_len > 0 && command.argument[command.argument_len - 1] == ' ')
        command.argument_len--;
    while (command.argument_len > 0 && *command.argument == ' ') {
        command.argument++;
        command.argument_len--;
    }
    return command;
}

/* A path, or one address without brackets, which some devices send and whose meaning is as clear.
 * *used is set to what was read. */
static enum address_result parse_address(const char *text, size_t len, struct address *address,
                                         size_t *used)
{
    if (len > 0 && *text == '<')
        return address_parse_path(text, len, address, used);
    const char *space = memchr(text, ' ', len);
    *used = space == NULL ? len : (size_t)(space - text);
    return address_parse(text, *used, address);
}

/* "FROM:" or "TO:" and the address after it. Blanks between the two are common enough. */
static enum reply parse_path(const struct command *command, const char *word, enum reply syntax,
                             enum reply bad_path, struct address *path, const char **rest)
{
    const char *at = command->argument, *end = at + command->argument_len;
    size_t word_len = strlen(word), used;

    if (command->argument_len < word_len || strncasecmp(at, word, word_len) != 0)
        return syntax;
    at += word_len;
    while (at < end && *at == ' ')
        at++;
    enum address_result result = parse_address(at, (size_t)(end - at), path, &used);
    if (result != ADDRESS_OK)
        return bad_path;
    *rest = at + used;
    return *rest < end && **rest != ' ' ? bad_path : REPLY_OK;
}

/* What is past 64 bits is too large in any case. */
static bool parse_size(const char *text, size_t len, uint64_t *size)
{
    *size = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (__builtin_mul_overflow(*size, 10, size) ||
            __builtin_add_overflow(*size, (uint64_t)(text[i] - '0'), size))
            *size = UINT64_MAX;
    }
    return len >= 1;
}

static bool is_keyword(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = (char)(text[i] | 0x20);
        bool alnum = (c >= 'a' && c <= 'z') || (text[i] >= '0' && text[i] <= '9');
        if (!alnum && (i == 0 || text[i] != '-'))
            return false;
    }
    return len > 0;
}

/* RFC 3461 section 4. */
static bool is_xtext(const char *text, size_t len)
{
    static const char hexadecimal[] = "0123456789ABCDEF";

    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '=')
            return false;
        if (text[i] == '+' && (len - i < 3 || strchr(hexadecimal, text[i + 1]) == NULL ||
                               strchr(hexadecimal, text[i + 2]) == NULL))
            return false;
    }
    return len > 0;
}

/* One parameter of MAIL; value is NULL where there is no `=`. seen says which have come already,
 * for none may come twice. */
static enum reply parse_mail_parameter(const char *name, size_t name_len, const char *value,
                                       size_t value_len, struct command_mail *mail, unsigned *seen)
{
    enum { SIZE = 1, BODY = 2, AUTH = 4, REQUIRETLS = 8, SMTPUTF8 = 16, PRDR = 32 };
    bool good;
    unsigned which;

    if (is_word(name, name_len, "SIZE")) {
        which = SIZE;
        good = parse_size(value, value_len, &mail->size) && value_len <= 20; /* RFC 1870 */
    } else if (is_word(name, name_len, "BODY")) {
        which = BODY;
        if (is_word(value, value_len, "BINARYMIME"))
            return REPLY_BINARYMIME;
        good = is_word(value, value_len, "7BIT") || is_word(value, value_len, "8BITMIME");
    } else if (is_word(name, name_len, "AUTH")) {
        which = AUTH;
        good = mail->has_auth = is_xtext(value, value_len);
    } else if (is_word(name, name_len, "REQUIRETLS")) {
        which = REQUIRETLS;
        good = mail->require_tls = value == NULL;
    } else if (is_word(name, name_len, "SMTPUTF8")) {
        which = SMTPUTF8;
        good = mail->utf8 = value == NULL;
    } else if (is_word(name, name_len, "PRDR")) {
        which = PRDR;
        good = mail->prdr = value == NULL;
    } else {
        return REPLY_UNKNOWN_PARAMETER;
    }
    if (!good || (*seen & which))
        return REPLY_BAD_PARAMETER;
    *seen |= which;
    return REPLY_OK;
}

/* What stands behind a path; mail is NULL behind that of RCPT, which has no parameters here. */
static enum reply parse_parameters(const char *at, const char *end, enum reply syntax,
                                   struct command_mail *mail)
{
    enum reply reply = REPLY_OK;
    unsigned seen = 0;

    while (reply == REPLY_OK && at < end) {
        while (*at == ' ') /* the argument does not end in one */
            at++;
        const char *space = memchr(at, ' ', (size_t)(end - at));
        const char *stop = space == NULL ? end : space;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        const char *value = equals == NULL ? NULL : equals + 1;
        size_t name_len = (size_t)((equals == NULL ? stop : equals) - at);
        if (!is_keyword(at, name_len))
            return syntax;
        if (mail == NULL)
            return REPLY_UNKNOWN_PARAMETER;
        size_t value_len = equals == NULL ? 0 : (size_t)(stop - value);
        reply = parse_mail_parameter(at, name_len, value, value_len, mail, &seen);
        at = stop;
    }
    return reply;
}

/* RFC 6531 section 3.5; a source route counts as well. */
static enum reply check_ascii(const char *text, const char *end, bool utf8)
{
    return utf8 || address_text_is_ascii(text, (size_t)(end - text)) ? REPLY_OK
                                                                     : REPLY_ADDRESS_UTF8;
}

enum reply command_parse_mail(const struct command *command, struct command_mail *mail)
{
    const char *rest;
    enum reply reply =
        parse_path(command, "FROM:", REPLY_MAIL_SYNTAX, REPLY_BAD_SENDER, &mail->sender, &rest);

    mail->size = 0;
    mail->has_auth = mail->require_tls = mail->utf8 = mail->prdr = false;
    if (reply == REPLY_OK && mail->sender.domain_len == 0 && mail->sender.local_len > 0)
        return REPLY_BAD_SENDER;
    if (reply == REPLY_OK)
        reply = parse_parameters(rest, command->argument + command->argument_len, REPLY_MAIL_SYNTAX,
                                 mail);
    return reply == REPLY_OK ? check_ascii(command->argument, rest, mail->utf8) : reply;
}

enum reply command_parse_rcpt(const struct command *command, bool utf8, struct address *recipient)
{
    const char *rest;
    enum reply reply =
        parse_path(command, "TO:", REPLY_RCPT_SYNTAX, REPLY_BAD_RECIPIENT, recipient, &rest);

    if (reply == REPLY_OK && recipient->domain_len == 0 &&
        !is_word(recipient->local, recipient->local_len, "postmaster"))
        return REPLY_BAD_RECIPIENT;
    if (reply == REPLY_OK)
        reply = parse_parameters(rest, command->argument + command->argument_len, REPLY_RCPT_SYNTAX,
                                 NULL);
    return reply == REPLY_OK ? check_ascii(command->argument, rest, utf8) : reply;
}

bool command_parse_bdat(const struct command *command, uint64_t *size, bool *last)
{
    const char *at = command->argument, *end = at + command->argument_len;
    const char *space = memchr(at, ' ', command->argument_len);
    const char *rest = space == NULL ? end : space;
    bool good = parse_size(at, (size_t)(rest - at), size) && *size < UINT64_MAX;

    while (rest < end && *rest == ' ')
        rest++;
    *last = is_word(rest, (size_t)(end - rest), "LAST");
    return good && (*last || rest == end);
}

/* `SMTPUTF8` behind an address (RFC 6531 section 3.7.4.2) is taken off. */
static bool take_utf8(const char *text, size_t *len)
{
    static const char word[] = " SMTPUTF8";
    enum { LEN = sizeof word - 1 };

    if (*len <= LEN || !is_word(text + *len - LEN, LEN, word))
        return false;
    for (*len -= LEN; *len > 0 && text[*len - 1] == ' ';)
        --*len;
    return true;
}

enum reply command_parse_vrfy(const struct command *command, struct address *address)
{
    const char *text = command->argument;
    size_t len = command->argument_len;
    bool utf8 = take_utf8(text, &len);
    size_t used = len;
    enum address_result result = len > 0 && *text == '<'
                                     ? address_parse_path(text, len, address, &used)
                                     : address_parse(text, len, address);

    if (result != ADDRESS_OK || used != len || address->local_len == 0)
        return REPLY_VRFY_SYNTAX;
    return check_ascii(text, text + len, utf8);
}

const char *command_syntax(enum command_verb verb)
{
    for (size_t i = 0; i < VERBS; i++)
        if (verbs[i].verb == verb)
            return verbs[i].syntax;
    return NULL;
}
