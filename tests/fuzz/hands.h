/*
 * hands: for a fuzzer of the back: hands that an attacker controls and that know the protocol of
 * their wall. Most answers are those of an honest hand, whose store, relay or filter accepts all;
 * the input chooses others, silence, an answer too many, or the end.
 *
 * Whatever a hand has said: the back asks in order, a relay only for those who may have mail by it,
 * and what filters have changed brings no CR and no NUL into a text.
 */
#ifndef MAILSLOT_FUZZ_HANDS_H
#define MAILSLOT_FUZZ_HANDS_H

#include "../../smtpd/wall/wall.h"
#include "scratch.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

enum { HANDS_MAX = 9, HANDS_HEAD = offsetof(struct wall_message, text) };

/* Where the only alias leads that the database has for other domains. */
#define HANDS_ELSEWHERE "ext@far.example"

static struct hand {
    int theirs, wall; /* the back's descriptor and ours; -1: not open */
    uint32_t last;    /* the type of what the back has said last */
    bool of_filters, lmtp, in_mail, in_data, in_text;
    uint32_t filter, step; /* of the last event */
    int changes;           /* that are to come before its answer; -1: not yet chosen */
} hands[HANDS_MAX];

static struct input *hands_input;
static bool hands_may_relay; /* the client is a user */
static bool hands_clean;     /* the front has sent no CR and no NUL */
static struct wall_message hands_message;

/* ---- their life ------------------------------------------------------------------------------ */

static inline void hands_begin(struct input *bytes)
{
    hands_input = bytes;
    hands_may_relay = false;
    hands_clean = true;
    for (size_t i = 0; i < HANDS_MAX; i++)
        hands[i] = (struct hand){.theirs = -1, .wall = -1};
}

/* A socket to connect to: nobody listens. */
static inline void hands_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", scratch_path(), name);
    MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    close(fd);
}

static inline struct hand *hands_find(int theirs)
{
    for (size_t i = 0; i < HANDS_MAX; i++)
        if (hands[i].wall >= 0 && hands[i].theirs == theirs)
            return &hands[i];
    return NULL;
}

static inline void hands_end(struct hand *hand)
{
    close(hand->wall);
    *hand = (struct hand){.theirs = -1, .wall = -1};
}

static inline bool hands_sees(int fd, short event)
{
    struct pollfd look = {.fd = fd, .events = event};
    struct timespec none = {0};

    return syscall(SYS_ppoll, &look, 1, &none, NULL, 0) > 0 && (look.revents & event) != 0;
}

/* The back has forked one: its descriptor, and a copy of the hand's. */
static inline void hands_add(int theirs, int wall)
{
    size_t at = 0;

    for (size_t i = 0; i < HANDS_MAX; i++)
        if (hands[i].wall >= 0 && hands_sees(hands[i].wall, POLLHUP))
            hands_end(&hands[i]);
    while (at < HANDS_MAX && hands[at].wall >= 0)
        at++;
    MUST(at < HANDS_MAX);
    hands[at] = (struct hand){.theirs = theirs, .wall = wall};
}

/* ---- what the back says ---------------------------------------------------------------------- */

static inline void hands_check_text(const char *text, size_t len)
{
    if (hands_clean)
        MUST(memchr(text, '\r', len) == NULL && memchr(text, '\0', len) == NULL);
}

static inline void hands_check_recipient(const struct hand *hand, const struct address *address)
{
    char key[ADDRESS_KEY_MAX];
    size_t len = address_key(address, key);

    if (!hand->lmtp && !hands_may_relay)
        MUST(slice_is((struct slice){key, len}, HANDS_ELSEWHERE));
}

static inline void hands_hear_of_hop(struct hand *hand, uint32_t type, size_t len)
{
    MUST((hand->last == WALL_NONE) == (type == WALL_HOP));
    MUST(type != WALL_HOP_RCPT || hand->in_mail);
    MUST(type != WALL_HOP_DATA || (hand->in_mail && hand->last == WALL_HOP_RCPT));
    MUST(type != WALL_TEXT || hand->in_data);
    MUST(type != WALL_HOP_DOT || hand->in_text);
    hand->in_mail = type == WALL_HOP_MAIL || (hand->in_mail && type == WALL_HOP_RCPT);
    hand->in_text = type == WALL_TEXT;
    hand->in_data = type == WALL_HOP_DATA || hand->in_text;
    if (type == WALL_HOP)
        hand->lmtp = hands_message.hop.lmtp;
    if (type == WALL_HOP_RCPT)
        hands_check_recipient(hand, &hands_message.address);
    if (type == WALL_TEXT)
        hands_check_text(hands_message.text, len);
}

/* Names and values in turn, each ended by NUL. */
static inline void hands_check_event(const struct wall_milter_event *event, size_t len)
{
    size_t strings = (size_t)event->arguments_len + event->macros_len, names = 0;

    MUST(len == offsetof(struct wall_milter_event, strings) + strings);
    MUST(strings <= MILTER_EVENT_MAX);
    MUST(event->filter < 2 && event->step >= MILTER_CONNECT && event->step <= MILTER_ABORT);
    MUST(event->step != MILTER_HEADER && event->step != MILTER_BODY && event->refused <= 1);
    MUST(event->arguments_len == 0 || event->strings[event->arguments_len - 1] == '\0');
    MUST(event->macros_len == 0 || event->strings[strings - 1] == '\0');
    for (size_t i = event->arguments_len; i < strings; i++)
        names += event->strings[i] == '\0';
    MUST(names % 2 == 0);
}

static inline void hands_hear_of_filters(struct hand *hand, uint32_t type, size_t len)
{
    if (type == WALL_MILTER_EVENT) {
        hands_check_event(&hands_message.milter_event, len);
        hand->filter = hands_message.milter_event.filter;
        hand->step = hands_message.milter_event.step;
        hand->changes = -1;
        return;
    }
    MUST(type == WALL_MILTER_HEADER || type == WALL_MILTER_BODY);
    if (type == WALL_MILTER_HEADER)
        MUST(hand->step == MILTER_DATA || hand->step == MILTER_HEADER);
    else
        MUST(hand->step == MILTER_EOH || hand->step == MILTER_BODY);
    hands_check_text(hands_message.text, len);
    hand->step = type == WALL_MILTER_HEADER ? MILTER_HEADER : MILTER_BODY;
    if (type == WALL_MILTER_HEADER)
        MUST((hands_message.text[len - 1] == '\n' || len == WALL_TEXT_MAX) &&
             memchr(hands_message.text, ':', len) != NULL);
}

/* Reads all of it. */
static inline void hands_hear(struct hand *hand)
{
    ssize_t got;

    while ((got = recv(hand->wall, &hands_message, sizeof hands_message, MSG_DONTWAIT)) > 0) {
        uint32_t type = hands_message.type;
        size_t len = (size_t)got - HANDS_HEAD;
        MUST(got >= HANDS_HEAD && type < WALL_TYPES);
        hand->of_filters = hand->last == WALL_NONE ? type == WALL_MILTER_EVENT : hand->of_filters;
        if (hand->of_filters)
            hands_hear_of_filters(hand, type, len);
        else
            hands_hear_of_hop(hand, type, len);
        hand->last = type;
    }
}

/* ---- what a hand says ------------------------------------------------------------------------ */

static inline void hands_send(struct hand *hand, size_t len)
{
    poke(hands_input, hands_message.text, len);
    send(hand->wall, &hands_message, HANDS_HEAD + len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static inline void hands_say_ready(struct hand *hand, uint8_t how)
{
    struct wall_hop_ready *ready = &hands_message.hop_ready;

    hands_message.type = WALL_HOP_READY;
    *ready = (struct wall_hop_ready){.extensions = HOP_EXTENSIONS, .host = "hop.example"};
    if (how & 1)
        *ready = (struct wall_hop_ready){.extensions = how >> 2, .size = how & 2 ? 300 : 0};
    hands_send(hand, sizeof *ready);
}

static inline enum hop_step hands_hop_step(const struct hand *hand)
{
    switch (hand->last) {
    case WALL_HOP:
        return HOP_HELLO;
    case WALL_HOP_MAIL:
        return HOP_MAIL;
    case WALL_HOP_RCPT:
        return HOP_RCPT;
    case WALL_HOP_DATA:
        return HOP_DATA;
    case WALL_TEXT:
        return HOP_TEXT;
    default:
        return hand->last == WALL_HOP_DOT ? HOP_DOT : HOP_IDLE;
    }
}

static inline void hands_say_reply(struct hand *hand, uint8_t how)
{
    static const uint16_t codes[] = {250, 354, 421, 450, 550, 553, 0, 299, 999};
    struct wall_hop_reply *reply = &hands_message.hop_reply;

    hands_message.type = WALL_HOP_REPLY;
    *reply = (struct wall_hop_reply){.step = hands_hop_step(hand), .code = 250, .text = "Ok"};
    if (reply->step == HOP_DATA)
        reply->code = 354;
    if (how & 1) {
        reply->code = codes[next_byte(hands_input) % (sizeof codes / sizeof codes[0])];
        reply->fault = how & 2 ? next_byte(hands_input) % (HOP_FAULTS + 1) : HOP_SAID;
        reply->step = how & 4 ? next_byte(hands_input) % (HOP_STEPS + 1) : reply->step;
    }
    if (reply->code != 0 && reply->code / 100 != 3)
        snprintf(reply->status, sizeof reply->status, "%u.1.5", reply->code / 100);
    hands_send(hand, sizeof *reply);
}

static inline void hands_say_milter_reply(struct hand *hand, uint8_t how)
{
    static const uint16_t codes[] = {0, 550, 451, 421, 554, 250, 999};
    struct wall_milter_reply *reply = &hands_message.milter_reply;

    hands_message.type = WALL_MILTER_REPLY;
    *reply = (struct wall_milter_reply){
        .filter = hand->filter, .step = hand->step, .answer = MILTER_CONTINUE};
    if (how & 1) {
        reply->answer = next_byte(hands_input) % (MILTER_ANSWERS + 1);
        reply->code = codes[next_byte(hands_input) % (sizeof codes / sizeof codes[0])];
        reply->fault = how & 2 ? next_byte(hands_input) % (MILTER_FAULTS + 1) : MILTER_SAID;
        reply->step = how & 4 ? next_byte(hands_input) % (MILTER_STEPS + 1) : reply->step;
        reply->filter = how & 8 ? next_byte(hands_input) % 3 : reply->filter;
    }
    if (reply->code != 0) {
        snprintf(reply->status, sizeof reply->status, "%u.7.1", reply->code / 100);
        snprintf(reply->text, sizeof reply->text, how & 32 ? "Not\rthis" : "Go away");
    }
    hands_send(hand, sizeof *reply);
}

static inline void hands_say_change(struct hand *hand)
{
    static const char *const names[] = {"X-Spam",    "Received", "From",     "Subject",  "Bcc",
                                        "From x",    "a:b",      "\xc3\xb6", "",         "Status",
                                        "x\r\nevil", "MISSING",  "Date",     "DELETED-", "Sender"};
    static const char *const values[] = {" x",
                                         "",
                                         "\n From x",
                                         "x\ny",
                                         "From me\n",
                                         ".\n",
                                         "\r",
                                         "sam@example.org",
                                         "out@example.org",
                                         "x@far.example",
                                         "bob@example.org",
                                         "a%b@c",
                                         "@a,@b:c@d",
                                         "a b",
                                         "\xc3\xb6",
                                         "alice@example.org",
                                         "From a\n\n.\r\nx"};
    struct wall_milter_change *change = &hands_message.milter_change;
    uint8_t how = next_byte(hands_input);
    const char *name = names[next_byte(hands_input) % (sizeof names / sizeof names[0])];
    size_t value = next_byte(hands_input), len;

    hands_message.type = WALL_MILTER_CHANGE;
    change->filter = how & 0x80 ? next_byte(hands_input) % 3 : hand->filter;
    change->kind = (how & 0xf) % (MILTER_CHANGES + 1);
    change->index = how & 0x40 ? UINT32_MAX - next_byte(hands_input) : how >> 4 & 3;
    change->name_len = change->kind <= MILTER_CHANGE_FIELD ? (uint32_t)strlen(name) : 0;
    memcpy(change->strings, name, change->name_len);
    len = change->name_len;
    if (value < 0xf0) {
        const char *text = values[value % (sizeof values / sizeof values[0])];
        memcpy(change->strings + len, text, strlen(text));
        len += strlen(text);
    } else { /* a long one */
        size_t more = value == 0xf0 ? MILTER_CHANGE_MAX - len : 1000 * (value - 0xf0);
        memset(change->strings + len, 'x', more);
        len += more;
    }
    hands_send(hand, offsetof(struct wall_milter_change, strings) + len);
}

/* First its changes, one at a time. */
static inline void hands_say_of_filters(struct hand *hand)
{
    if (hand->changes < 0) {
        uint8_t how = next_byte(hands_input);
        hand->changes = hand->step == MILTER_END || how > 0xf0 ? how % 8 : 0;
    }
    if (hand->changes-- > 0) {
        hands_say_change(hand);
        return;
    }
    uint8_t how = next_byte(hands_input);
    if ((how & 0xc0) == 0xc0) {
        hands_message.type = WALL_MILTER_PROGRESS;
        hands_send(hand, 0);
    } else {
        hands_say_milter_reply(hand, how);
    }
}

static inline void hands_answer(struct hand *hand)
{
    if (hand->of_filters) {
        hands_say_of_filters(hand);
        return;
    }
    uint8_t how = next_byte(hands_input);
    if (hand->last == WALL_HOP && !(how & 0x80))
        hands_say_ready(hand, how);
    else
        hands_say_reply(hand, how);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* As ppoll(2), when the back waits for a hand and looks at its client meanwhile. After the end of
 * the input all hands hang up. */
static inline int hands_poll(struct pollfd *fds, nfds_t count)
{
    struct hand *hand = hands_find(fds[0].fd);

    if (hand == NULL)
        return 0;
    hands_hear(hand);
    fds[0].revents = fds[0].events;
    if (fds[0].events == POLLOUT || hands_sees(hand->theirs, POLLIN))
        return 1;
    uint8_t how = hands_input->at == hands_input->end ? 0xff : next_byte(hands_input);
    if (how >= 0xf8) {
        hands_end(hand);
    } else if (how >= 0xf4) { /* overtime */
        fds[0].revents = 0;
        return 0;
    } else if (how >= 0xf0 && fds[count - 1].fd >= 0) { /* the front has gone */
        fds[0].revents = 0;
        fds[count - 1].revents = POLLHUP;
    } else {
        for (int answers = 1 + (how >= 0xe0); answers > 0; answers--)
            hands_answer(hand);
    }
    return 1;
}

#endif
