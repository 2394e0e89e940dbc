#include "header.h"

#include "../kit/message.h"
#include "field.h"
#include "phrase.h"

#include <string.h>
#include <sysexits.h>

static const char *const recipients[] = {"To", "Cc", "Bcc", NULL};
static const char *const resent_recipients[] = {"Resent-To", "Resent-Cc", "Resent-Bcc", NULL};
static const char *const left_out[] = {"Bcc", "Resent-Bcc", "Return-Path", NULL};
static const char *const lists[] = {
    "From",        "Sender",        "Reply-To",  "To",        "Cc",
    "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", NULL,
};

static bool has_one_of(struct slice text, const char *const *names)
{
    struct field field;

    while (field_next(&text, &field))
        if (field_is_one_of(&field, names))
            return true;
    return false;
}

static int read_list(const struct field *field,
                     int (*found)(void *context, const struct address *address), void *context)
{
    struct address_list list = {.text = field->body};
    int code = EX_OK, more = 0;

    while (code == EX_OK && (more = address_list_next(&list)) == 1)
        code = found(context, &list.address);
    if (more < 0)
        return message_print(EX_DATAERR, "%.*s: this is not a list of addresses: %.*s",
                             SLICE(field->name), SLICE(slice_trim(slice_until(field->body, '\n'))));
    return code;
}

int header_recipients(struct slice text, int (*found)(void *context, const struct address *address),
                      void *context)
{
    const char *const *names = has_one_of(text, resent_recipients) ? resent_recipients : recipients;
    struct field field;
    int code = EX_OK;

    while (code == EX_OK && field_next(&text, &field))
        if (field_is_one_of(&field, names))
            code = read_list(&field, found, context);
    return code;
}

/* Writes the field with a domain after each address that has none. What is not a list of addresses
 * stays as it is from there on. */
static void write_list(const struct field *field, struct slice domain, FILE *to)
{
    struct address_list list = {.text = field->body};
    const char *from = field->whole.at, *end = field->whole.at + field->whole.len;

    while (address_list_next(&list) == 1) {
        if (list.address.local_len == 0 || list.address.domain_len > 0)
            continue;
        const char *place = field->body.at + list.address_end;
        fwrite(from, 1, (size_t)(place - from), to); /* there may be NULs in it */
        fprintf(to, "@%.*s", SLICE(domain));
        from = place;
    }
    fwrite(from, 1, (size_t)(end - from), to);
}

static void write_from(const struct header_sender *sender, FILE *to)
{
    char address[ADDRESS_TEXT_MAX];

    if (address_write(sender->address, address) == 0)
        snprintf(address, sizeof address, "MAILER-DAEMON@%.*s", SLICE(sender->domain));
    fputs("From: ", to);
    if (sender->name[0] != '\0') {
        phrase_write(slice_of(sender->name), to);
        fprintf(to, " <%s>\n", address);
    } else {
        fprintf(to, "%s\n", address);
    }
}

static void write_field(const struct field *field, const struct header_sender *sender, FILE *to)
{
    if (field_is_one_of(field, left_out))
        return;
    if (field_is_one_of(field, lists))
        write_list(field, sender->domain, to);
    else
        fwrite(field->whole.at, 1, field->whole.len, to);
    if (field->whole.at[field->whole.len - 1] != '\n') /* there is no body */
        putc('\n', to);
}

struct slice header_write(struct slice text, const struct header_sender *sender, FILE *to)
{
    struct field field;

    if (!has_one_of(text, (const char *const[]){"From", NULL}))
        write_from(sender, to);
    if (!has_one_of(text, (const char *const[]){"To", "Cc", NULL}))
        fputs("To: undisclosed-recipients:;\n", to);
    while (field_next(&text, &field))
        write_field(&field, sender, to);
    putc('\n', to);
    return text;
}
