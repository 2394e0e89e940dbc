#include "command.h"

#include "parameters.h"

#include <string.h>

struct command command_split(struct slice line)
{
    struct slice verb = slice_until(line, ' ');

    if (slice_begins_word(verb, "BDAT")) /* even if it is written wrong, a chunk follows */
        verb.len = strlen("BDAT");
    return (struct command){verb, slice_trim_spaces(slice_from(line, verb.len))};
}

/* A path; or an address without brackets, as some devices send it: its meaning is as clear. *used
 * is set to what was read. */
static enum address_result parse_address(struct slice text, struct address *address, size_t *used)
{
    if (text.len > 0 && *text.at == '<')
        return address_parse_path(text, address, used);
    *used = slice_until(text, ' ').len;
    return address_parse((struct slice){text.at, *used}, address);
}

/* "FROM:" or "TO:" and the address after it. Blanks between the two are common enough. *rest is set
 * to what follows the address. */
static enum reply parse_path(struct slice argument, const char *word, enum reply bad_path,
                             struct address *path, struct slice *rest)
{
    size_t used;

    if (!slice_begins_word(argument, word))
        return REPLY_SYNTAX;
    struct slice text = slice_trim_spaces(slice_from(argument, strlen(word)));
    if (parse_address(text, path, &used) != ADDRESS_OK)
        return bad_path;
    *rest = slice_from(text, used);
    return rest->len > 0 && *rest->at != ' ' ? bad_path : REPLY_OK;
}

/* RFC 6531 section 3.5; the source route in a path counts as well. */
static enum reply check_ascii(struct slice text, bool utf8)
{
    return utf8 || slice_is_ascii(text) ? REPLY_OK : REPLY_ADDRESS_UTF8;
}

enum reply command_parse_mail(struct slice argument, const struct wall_settings *settings,
                              struct wall_message *message)
{
    struct wall_mail *mail = &message->mail;
    struct slice rest;

    *mail = (struct wall_mail){0};
    enum reply reply = parse_path(argument, "FROM:", REPLY_BAD_SENDER, &mail->sender, &rest);
    if (reply == REPLY_OK && mail->sender.domain_len == 0 && mail->sender.local_len > 0)
        reply = REPLY_BAD_SENDER;
    if (reply == REPLY_OK)
        reply = parameters_parse("MAIL", rest, settings, message);
    argument.len -= reply == REPLY_OK ? rest.len : 0;
    return reply == REPLY_OK ? check_ascii(argument, mail->utf8) : reply;
}

enum reply command_parse_rcpt(struct slice argument, bool utf8,
                              const struct wall_settings *settings, struct wall_message *message)
{
    struct address *recipient = &message->address;
    struct slice rest;
    enum reply reply = parse_path(argument, "TO:", REPLY_BAD_RECIPIENT, recipient, &rest);

    if (reply == REPLY_OK && recipient->domain_len == 0 &&
        !slice_is_word((struct slice){recipient->local, recipient->local_len}, "postmaster"))
        reply = REPLY_BAD_RECIPIENT;
    if (reply == REPLY_OK)
        reply = parameters_parse("RCPT", rest, settings, message);
    argument.len -= reply == REPLY_OK ? rest.len : 0;
    return reply == REPLY_OK ? check_ascii(argument, utf8) : reply;
}

bool command_parse_bdat(struct slice argument, uint64_t *size, bool *last)
{
    struct slice number = slice_until(argument, ' ');
    struct slice rest = slice_trim_spaces(slice_from(argument, number.len));

    *last = slice_is_word(rest, "LAST");
    return slice_number(number, size) && *size < UINT64_MAX && (*last || rest.len == 0);
}

/* Removes ` SMTPUTF8` from the end (RFC 6531 section 3.7.4.2). */
static bool take_utf8(struct slice *text)
{
    static const char word[] = " SMTPUTF8";
    enum { LEN = sizeof word - 1 };

    if (text->len <= LEN || !slice_is_word(slice_from(*text, text->len - LEN), word))
        return false;
    text->len -= LEN;
    *text = slice_trim_spaces(*text);
    return true;
}

enum reply command_parse_vrfy(struct slice argument, struct address *address)
{
    bool utf8 = take_utf8(&argument);
    size_t used = argument.len;
    enum address_result result = used > 0 && *argument.at == '<'
                                     ? address_parse_path(argument, address, &used)
                                     : address_parse(argument, address);

    if (result != ADDRESS_OK || used != argument.len || address->local_len == 0)
        return REPLY_SYNTAX;
    return check_ascii(argument, utf8);
}
