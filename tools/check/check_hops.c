/* check: the other mail servers that mail is passed to: mail stores and relays. */
#include "../kit/hop_talk.h"
#include "check_socket.h"
#include "hop_list.h"
#include "subjects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* relay.cdb is missing, or from another time than the database. */
static const char *build_it(struct check *check)
{
    return pool_format(&check->pool, "set `smarthost` in %s, then type: %s", check->conf,
                       check->commands.build);
}

/* A name that no user has. */
static const char *make_stranger(struct check *check, const char *domain)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof number, 0) != sizeof number)
        number = (uint64_t)getpid();
    return pool_format(&check->pool, "check-%016" PRIx64 "@%s", number, domain);
}

/* Sender and recipient are keys. The code of the reply; 0: there was none. */
static unsigned ask(struct check *check, struct hop_talk *talk, const char *sender,
                    const char *recipient, const char **said)
{
    struct address from = {0}, to;
    struct wall_hop_reply reply;
    char line[HOP_TALK_LINE_MAX];

    if (address_from_key(slice_of(recipient), &to) != ADDRESS_OK ||
        (*sender != '\0' && address_from_key(slice_of(sender), &from) != ADDRESS_OK))
        return 0;
    hop_talk_ask(talk, &from, &to, &reply);
    hop_talk_line(&reply, line);
    *said = pool_format(&check->pool, "%s", line);
    return reply.fault == HOP_SAID ? reply.code : 0;
}

static const char *ask_again(struct check *check, const char *recipient)
{
    return pool_format(&check->pool, "mailslot-show --ask %s", check_quote(check, recipient));
}

/* Whom the store knows. True if nothing is wrong. */
static bool check_recipients(struct check *check, const struct hop_entry *hop,
                             struct hop_talk *talk)
{
    const char *said = "", *stranger = make_stranger(check, hop->domain);
    unsigned code = hop->user == NULL ? 250 : ask(check, talk, "", hop->user, &said);

    if (code / 100 != 2) {
        check_say(check, code / 100 == 4 ? CHECK_WARN : CHECK_FAIL, "hop",
                  "%s does not accept mail for %s: %s; add the user there, or correct what it "
                  "says; to ask again, type: %s",
                  hop->path, hop->user, said, ask_again(check, hop->user));
        return false;
    }
    code = ask(check, talk, "", stranger, &said);
    if (code / 100 != 2)
        return true;
    check_say(check, CHECK_WARN, "hop",
              "%s accepts mail for everybody, even for %s, so mail to unknown users is lost or "
              "bounced; let it refuse them at RCPT; for Dovecot and others, type: man "
              "mailslot-recipes",
              hop->path, stranger);
    return false;
}

/* Does it take mail from this host's users? */
static bool check_sender(struct check *check, const struct hop_entry *hop, struct hop_talk *talk)
{
    const char *said = "", *address = pool_format(&check->pool, "postmaster@%s", hop->domain);
    unsigned code = ask(check, talk, address, address, &said);

    if (code / 100 == 2)
        return true;
    check_say(check, CHECK_WARN, "hop",
              "%s does not accept mail from and to %s: %s; if it accepts only other senders, "
              "nothing is wrong; to ask about another address, type: mailslot-show --ask ADDRESS",
              hop->path, address, said);
    return false;
}

static bool check_size(struct check *check, const struct hop_entry *hop,
                       const struct wall_hop_ready *ready)
{
    uint64_t ours = check->settings.session.max_message_size;

    if (ready->size == 0 || ready->size >= ours)
        return true;
    check_say(check, CHECK_WARN, "hop",
              "%s accepts messages of %" PRIu64 " bytes, and max-message-size is %" PRIu64
              "; larger ones are refused late; set `max-message-size = %" PRIu64
              "` in %s, then type: %s",
              hop->path, ready->size, ours, ready->size, check->conf, check->commands.build);
    return false;
}

static void check_hop(struct check *check, const struct hop_entry *hop)
{
    struct wall_hop_ready ready;
    struct wall_hop_reply reply;
    char line[HOP_TALK_LINE_MAX];
    int fd = check_connect(check, CHECK_FAIL, "hop", hop->path);

    if (fd < 0)
        return;
    struct hop_talk *talk = hop_talk_begin(fd, hop->lmtp, check->settings.session.hostname);
    if (hop_talk_is_ready(talk, &ready, &reply)) {
        bool good = check_size(check, hop, &ready);
        good = (hop->lmtp ? check_recipients(check, hop, talk) : check_sender(check, hop, talk)) &&
               good;
        if (good)
            check_say_good(check, "hop",
                           pool_format(&check->pool, "%s: %s", hop->path,
                                       hop->lmtp             ? "LMTP"
                                       : *ready.host == '\0' ? "SMTP"
                                                             : ready.host));
    } else {
        hop_talk_line(&reply, line);
        check_say(check, CHECK_FAIL, "hop", "%s is not ready: %s; %s", hop->path, line,
                  strstr(line, "the relay's database") != NULL
                      ? build_it(check)
                      : check_who_listens(check, hop->path));
    }
    hop_talk_end(talk);
}

void check_hops(struct check *check)
{
    struct hop_list list;

    if (!hop_list_find(check, &list))
        return; /* check_users() reports a damaged database */
    for (size_t i = 0; i < list.len; i++)
        check_hop(check, &list.all[i]);
    if (list.left_out > 0)
        check_say(check, CHECK_SKIP, "hop", "%zu more; to ask one of them, type: %s", list.left_out,
                  "mailslot-show --ask ADDRESS");
}
