#include "send.h"

#include "../kit/message.h"
#include "full_name.h"
#include "header.h"
#include "input.h"
#include "server.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* A message, and where it goes. */
struct letter {
    struct input input;
    struct server server;
    struct slice domain; /* for addresses without one */
    struct address sender;
    struct address *recipients;
    size_t count, room;
};

static void qualify(const struct letter *letter, struct address *address)
{
    if (address->local_len == 0 || address->domain_len > 0)
        return;
    memcpy(address->domain, letter->domain.at, letter->domain.len);
    address->domain_len = (uint16_t)letter->domain.len;
}

static bool is_same(const struct address *a, const struct address *b)
{
    return a->local_len == b->local_len && a->domain_len == b->domain_len &&
           memcmp(a->local, b->local, a->local_len) == 0 &&
           memcmp(a->domain, b->domain, a->domain_len) == 0;
}

static bool is_listed(const struct letter *letter, const struct address *address)
{
    for (size_t i = 0; i < letter->count; i++)
        if (is_same(&letter->recipients[i], address))
            return true;
    return false;
}

static int add_recipient(void *context, const struct address *address)
{
    struct letter *letter = context;
    struct address whole = *address;

    if (whole.local_len == 0)
        return message_print(EX_DATAERR, "<> cannot be a recipient");
    qualify(letter, &whole);
    if (is_listed(letter, &whole))
        return EX_OK;
    if (letter->count == letter->room) {
        size_t room = letter->room * 2 + 16;
        void *more = reallocarray(letter->recipients, room, sizeof *letter->recipients);
        if (more == NULL)
            return message_errno(EX_TEMPFAIL, "too many recipients");
        letter->recipients = more;
        letter->room = room;
    }
    letter->recipients[letter->count++] = whole;
    return EX_OK;
}

/* An argument may be a list as well. */
static int add_argument(struct letter *letter, const char *argument)
{
    struct address_list list = {.text = slice_of(argument)};
    int code = EX_OK, more = 0;

    while (code == EX_OK && (more = address_list_next(&list)) == 1)
        code = add_recipient(letter, &list.address);
    return more < 0 ? message_print(EX_DATAERR, "%s: this is not an address", argument) : code;
}

static int find_recipients(struct letter *letter, const struct options *options)
{
    int code = EX_OK;

    for (char **argument = options->recipients; code == EX_OK && *argument != NULL; argument++)
        code = add_argument(letter, *argument);
    if (code == EX_OK && options->extract)
        code = header_recipients(letter->input.text, add_recipient, letter);
    if (code == EX_OK && letter->count == 0)
        code = message_print(EX_USAGE, "the header names no recipients");
    return code;
}

/* -f. Empty, and `<>`, is the null sender. */
static int find_sender(struct letter *letter, const char *given)
{
    struct address_list list = {.text = slice_of(given == NULL ? "" : given)};

    letter->sender = given == NULL ? letter->server.user : (struct address){0};
    if (list.text.len == 0)
        return EX_OK;
    if (address_list_next(&list) != 1)
        return message_print(EX_USAGE, "-f %s: this is not an address", given);
    letter->sender = list.address;
    if (address_list_next(&list) != 0)
        return message_print(EX_USAGE, "-f %s: write one address", given);
    qualify(letter, &letter->sender);
    return EX_OK;
}

static bool needs_utf8(const struct letter *letter)
{
    for (size_t i = 0; i < letter->count; i++)
        if (!address_is_ascii(&letter->recipients[i]))
            return true;
    return !address_is_ascii(&letter->sender);
}

/* All of them are asked, so that all that are wrong are named. A refusal for good counts for more
 * than one for now. */
static int ask_for_all(struct letter *letter)
{
    struct server *server = &letter->server;
    const struct wall_hop_mail mail = {.sender = letter->sender,
                                       .size = letter->input.text.len,
                                       .eight_bit = letter->input.eight_bit,
                                       .utf8 = needs_utf8(letter)};
    int code = EX_OK;

    server_sender(server, &mail);
    for (size_t i = 0; i < letter->count; i++) {
        int asked = server_recipient(server, &letter->recipients[i]);
        if (code == EX_OK || (code == EX_TEMPFAIL && asked != EX_OK))
            code = asked;
        if (server_has_ended(server))
            break;
    }
    if (code != EX_OK && letter->count > 1)
        message_print(code, "nothing was sent to anybody");
    return code;
}

static int send_text(struct letter *letter, const struct options *options)
{
    const struct header_sender sender = {&letter->sender, full_name(options->name), letter->domain};
    char *header = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&header, &len);
    const char *said = "";

    if (to == NULL)
        return message_errno(EX_TEMPFAIL, "cannot write the header");
    struct slice body = header_write(letter->input.text, &sender, to);
    int code = fclose(to) != 0 ? message_errno(EX_TEMPFAIL, "cannot write the header") : EX_OK;
    if (code == EX_OK)
        code = server_text(&letter->server, (struct slice[]){{header, len}, body}, 2, &said);
    free(header);
    if (code == EX_OK && options->verbose)
        message_print(EX_OK, "%s", said);
    return code;
}

/* The server tells the domain, so recipients are looked for when it is connected. */
static int deliver(struct letter *letter, const struct options *options)
{
    const struct address *user = &letter->server.user;

    letter->domain = user->domain_len > 0 ? (struct slice){user->domain, user->domain_len}
                                          : slice_of("localhost");
    int code = find_sender(letter, options->sender);
    if (code == EX_OK)
        code = find_recipients(letter, options);
    if (code == EX_OK)
        code = ask_for_all(letter);
    return code == EX_OK ? send_text(letter, options) : code;
}

int send_message(const struct options *options)
{
    static struct letter letter;

    if (options->recipients[0] == NULL && !options->extract)
        return message_print(EX_USAGE, "name the recipients, or use -t if the header does");
    int code = input_read(&letter.input, stdin, !options->ignore_dots);
    if (code == EX_OK)
        code = server_open(&letter.server);
    if (code != EX_OK)
        return code;
    code = deliver(&letter, options);
    server_close(&letter.server);
    free(letter.recipients);
    return code;
}
