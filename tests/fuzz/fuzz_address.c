/* Addresses and the commands that they stand in: what is read is valid, and reads the same again
 * when it is written; folded twice it is folded. */
#include "../../smtpd/base/international.h"
#include "../../smtpd/front/command.h"
#include "fuzz.h"

static bool equal(const struct address *a, const struct address *b)
{
    return a->local_len == b->local_len && a->domain_len == b->domain_len &&
           memcmp(a->local, b->local, a->local_len) == 0 &&
           memcmp(a->domain, b->domain, a->domain_len) == 0;
}

static void check(const struct address *address)
{
    char text[ADDRESS_TEXT_MAX], key[ADDRESS_KEY_MAX];
    struct address again, folded = *address;

    MUST(address_valid(address));
    size_t len = address_write(address, text);
    MUST(len == strlen(text) && len < sizeof text);
    if (len == 0)
        return;
    MUST(address_parse((struct slice){text, len}, &again) == ADDRESS_OK && equal(address, &again));
    size_t key_len = address_key(address, key);
    if (address->domain_len > 0)
        MUST(address_from_key((struct slice){key, key_len}, &again) == ADDRESS_OK);
    if (international_fold(&folded) != 0)
        return;
    MUST(address_valid(&folded));
    MUST(address_is_ascii(address) == equal(&folded, address) || !address_is_ascii(address));
    again = folded;
    MUST(international_fold(&again) == 0);
    MUST(equal(&again, &folded));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct input input = {bytes, bytes + len};
    uint8_t how = next_byte(&input);
    size_t text_len, used;
    const char *text = next_bytes(&input, 2048, &text_len);
    struct command command = command_parse(text, text_len);
    struct command_mail mail;
    struct address address;
    uint64_t size;
    bool last;

    MUST(command.argument >= text && command.argument + command.argument_len <= text + text_len);
    if (how % 4 == 0 && address_parse_path(text, text_len, &address, &used) == ADDRESS_OK) {
        MUST(used <= text_len);
        check(&address);
    }
    if (how % 4 == 1 && address_parse((struct slice){text, text_len}, &address) == ADDRESS_OK)
        check(&address);
    if (how % 4 == 2 && text_len > 0 && text[0] != ' ' && text[text_len - 1] != ' ')
        command = (struct command){COMMAND_MAIL, text, text_len};
    if (command_parse_mail(&command, &mail) == REPLY_OK) {
        MUST(mail.utf8 || address_is_ascii(&mail.sender));
        check(&mail.sender);
    }
    if (command_parse_rcpt(&command, how & 4, &address) == REPLY_OK)
        check(&address);
    if (command_parse_vrfy(&command, &address) == REPLY_OK)
        check(&address);
    if (command_parse_bdat(&command, &size, &last))
        MUST(size < UINT64_MAX);
    return 0;
}
