#include "show_ask.h"

#include "../kit/hop_talk.h"
#include "../kit/message.h"
#include "../kit/printable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The sender of mail for other domains. */
static struct address sender_of(const struct settings *settings)
{
    struct slice domain = slice_until(settings->domains, ' '), forwarder = settings->forward_sender;
    char key[ADDRESS_KEY_MAX];
    int len = snprintf(key, sizeof key, "postmaster@%.*s", SLICE(domain));
    struct address sender = {0};

    address_from_key(forwarder.len > 0 ? forwarder : (struct slice){key, (size_t)len}, &sender);
    return sender;
}

/* Has the server accepted the recipient? */
static bool ask(int fd, bool lmtp, const struct settings *settings, const struct address *sender,
                const struct address *recipient, char line[HOP_TALK_LINE_MAX])
{
    struct hop_talk *talk = hop_talk_begin(fd, lmtp, settings->session.hostname);
    struct wall_hop_ready ready;
    struct wall_hop_reply reply;

    if (hop_talk_is_ready(talk, &ready, &reply))
        hop_talk_ask(talk, sender, recipient, &reply);
    hop_talk_end(talk);
    hop_talk_line(&reply, line);
    return reply.fault == HOP_SAID && reply.code / 100 == 2;
}

static int print(struct slice path, bool lmtp, const struct settings *settings,
                 const struct address *sender, const struct address *recipient)
{
    char line[HOP_TALK_LINE_MAX], name[ADDRESS_TEXT_MAX];
    int fd = hop_talk_connect(path);
    bool accepted = false;

    address_write(recipient, name);
    if (fd < 0)
        snprintf(line, sizeof line, "cannot connect: %s", strerror(errno));
    else
        accepted = ask(fd, lmtp, settings, sender, recipient, line);
    printable(line);
    printf("  asked %.*s about %s: %s\n", SLICE(path), name, line);
    return accepted ? EXIT_DONE : EXIT_ABSENT;
}

static int ask_relay(const struct settings *settings, const struct address *recipient)
{
    struct address sender = sender_of(settings);
    struct slice path = directory_relay(settings, &sender);

    if (path.len == 0) {
        puts("  there is nobody to ask: no relay is set");
        return EXIT_ABSENT;
    }
    return print(path, false, settings, &sender, recipient);
}

static int ask_target(const struct settings *settings, const struct directory_match *match,
                      const struct directory_target *target, const struct address *asked)
{
    const struct address none = {0};
    struct address recipient = {0};

    switch (target->kind) {
    case DIRECTORY_STORE:
        directory_store_address(match, target, asked, &recipient);
        return print(target->path, true, settings, &none, &recipient);
    case DIRECTORY_ELSEWHERE:
        address_from_key(target->address, &recipient); /* it was checked there */
        return ask_relay(settings, &recipient);
    default:
        return EXIT_DONE;
    }
}

int show_ask(struct database *db, const struct settings *settings, const char *text)
{
    struct directory_match match;
    struct directory_target target;
    struct address address;
    int code = EXIT_DONE;

    if (address_parse(slice_of(text), &address) != ADDRESS_OK)
        return EXIT_ABSENT;
    enum verdict verdict = directory_find(db, settings, &address, &match);
    if (verdict == VERDICT_FOREIGN)
        return ask_relay(settings, &address);
    if (!verdict_accepts(verdict))
        return EXIT_ABSENT;
    while (directory_next_target(db, &match, &target) == 1) {
        int one = ask_target(settings, &match, &target, &address);
        code = one > code ? one : code;
    }
    return code;
}
