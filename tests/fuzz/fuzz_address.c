/* Addresses and the commands that contain them: what is parsed is valid, is parsed as the same
 * again after it was written, and folding it twice makes no difference. */
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

/* The arguments of the commands that carry addresses, where the client may use SMTPUTF8 or not. */
static void check_commands(struct slice argument, bool utf8)
{
    static const struct wall_settings settings = {.lmtp = false};
    static struct wall_message message;
    struct address address;
    uint64_t size;
    bool last;

    if (command_parse_mail(argument, &settings, &message) == REPLY_OK) {
        MUST(message.mail.utf8 || address_is_ascii(&message.mail.sender));
        check(&message.mail.sender);
    }
    if (command_parse_rcpt(argument, utf8, &settings, &message) == REPLY_OK)
        check(&message.address);
    if (command_parse_vrfy(argument, &address) == REPLY_OK)
        check(&address);
    if (command_parse_bdat(argument, &size, &last))
        MUST(size < UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct input input = {bytes, bytes + len};
    uint8_t how = next_byte(&input);
    struct slice text;
    text.at = next_bytes(&input, 2048, &text.len);
    struct slice argument = command_split(text).argument;
    struct address address;
    size_t used;

    MUST(argument.at >= text.at && argument.at + argument.len <= text.at + text.len);
    if (how % 4 == 0 && address_parse_path(text, &address, &used) == ADDRESS_OK) {
        MUST(used <= text.len);
        check(&address);
    }
    if (how % 4 == 1 && address_parse(text, &address) == ADDRESS_OK)
        check(&address);
    if (how % 4 == 2 && text.len > 0 && text.at[0] != ' ' && text.at[text.len - 1] != ' ')
        argument = text;
    check_commands(argument, how & 4);
    return 0;
}
