#include "settings_values.h"
#include "socket_path.h"

#include "../base/address.h"

const char *settings_set_relay(struct settings *settings, struct slice value)
{
    struct slice rest = value, path = slice_cut_word(&rest);
    const char *wrong = socket_path_wrong(path);

    if (wrong != NULL)
        return wrong;
    while (rest.len > 0) {
        struct slice word = slice_cut_word(&rest);
        if (*word.at != '@' || address_parse_domain(slice_from(word, 1)) != ADDRESS_OK)
            return "write domains of senders after the path, each as @example.org";
    }
    if (settings->relays_len == SETTINGS_RELAYS_MAX)
        return "given too often: there can be 16 relays";
    settings->relays[settings->relays_len++] = value;
    return NULL;
}

const char *settings_set_forward_sender(struct settings *settings, struct slice value)
{
    struct address address;

    settings->forward_sender = (struct slice){0};
    if (slice_is(value, "keep"))
        return NULL;
    if (address_from_key(value, &address) != ADDRESS_OK || address.local_len == 0 ||
        address.domain_len == 0)
        return "write keep, or an address such as forwarder@example.org";
    settings->forward_sender = value;
    return NULL;
}

const char *settings_set_mailboxes(struct settings *settings, struct slice value)
{
    settings->mailboxes = (struct slice){0};
    if (value.len == 0)
        return NULL;
    if (!socket_path_of_store(value, &settings->mailboxes))
        return "write lmtp:/PATH, or nothing for mbox files in mail-root";
    return socket_path_wrong(settings->mailboxes);
}

const char *settings_set_local_submission(struct settings *settings, struct slice value)
{
    settings->local_submission = value;
    return NULL;
}

void settings_write_hops(const struct settings *settings, FILE *to)
{
    struct slice sender = settings->forward_sender, store = settings->mailboxes;

    for (size_t i = 0; i < settings->relays_len; i++)
        fprintf(to, "relay=%.*s\n", SLICE(settings->relays[i]));
    fprintf(to, "forward-sender=%.*s\n", SLICE(sender.len > 0 ? sender : slice_of("keep")));
    fprintf(to, "mailboxes=%s%.*s\n", store.len > 0 ? "lmtp:" : "", SLICE(store));
    fprintf(to, "local-submission=%.*s\n", SLICE(settings->local_submission));
}
