#include "milters.h"

#include "../base/clock.h"
#include "../confine/confine_worker.h"
#include "milter.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef MAILSLOT_TEST_HOOK
#include "../../tests/hook.h"
#endif

enum {
    INPUT_SIZE = 8192,
    REPORT_MS = 100, /* the back is told at most so often that a filter works on */
};

_Static_assert(CONFINE_FILTERS + MILTERS_MAX == CONFINE_FDS_MAX, "a descriptor for each filter");

/* The whole state of the hand. It does one thing at a time, so the buffers serve all filters. */
static struct hand {
    struct milter filters[MILTERS_MAX];
    struct milter *asked; /* the filter that the back has asked last; NULL: none */
    struct milter_turn turn;
    size_t sent;   /* of the turn's output */
    int64_t heard; /* clock_ms(), when the back and the hand have last said something */
    struct wall_message message;
    char buffer[MILTER_BUFFER_SIZE];
    char input[INPUT_SIZE];
} hand;

static int socket_of(const struct milter *filter)
{
    return CONFINE_FILTERS + (int)filter->number;
}

static bool is_temporary(int error)
{
    return error == EAGAIN || error == EINTR;
}

static bool has_unsent(void)
{
    return hand.sent < hand.turn.output_len;
}

static bool is_busy(void)
{
    return hand.asked != NULL && (hand.asked->state != MILTER_QUIET || has_unsent());
}

/* Sends as much as the filter accepts now. Errors are ignored, because reading reports them. */
static void flush(void)
{
    while (has_unsent()) {
        ssize_t sent = send(socket_of(hand.asked), hand.buffer + hand.sent,
                            hand.turn.output_len - hand.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && !is_temporary(errno))
            hand.sent = hand.turn.output_len;
        if (sent < 0)
            return;
        hand.sent += (size_t)sent;
    }
}

static void hang_up(const struct milter *filter)
{
    shutdown(socket_of(filter), SHUT_RDWR);
}

/* The back needs no filter any longer. */
static _Noreturn void quit(void)
{
    bool torn = has_unsent();

    for (struct milter *filter = hand.filters; filter < hand.filters + MILTERS_MAX; filter++) {
        milter_quit(filter, &hand.turn);
        if (hand.turn.output_len > 0 && !(torn && filter == hand.asked))
            send(socket_of(filter), hand.buffer, hand.turn.output_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    _exit(0);
}

static void tell_back(size_t body_len)
{
    if (wall_send(CONFINE_WALL, &hand.message, body_len) != 0)
        quit();
    hand.heard = clock_ms();
}

/* One of the packets that an answer needs was replied to, and the next one is sent: each reply has
 * a time of its own. */
static void report(void)
{
    bool next = hand.asked->state == MILTER_WAITING && hand.turn.output_len > 0;

    if (!next || clock_ms() - hand.heard < REPORT_MS)
        return;
    hand.message.type = WALL_MILTER_PROGRESS;
    tell_back(0);
}

/* Takes turns until the filter must reply or accepts no more bytes, or the back has its answer. */
static void carry_out(void)
{
    struct milter_turn *turn = &hand.turn;

    for (;;) {
        flush();
        if (has_unsent())
            return;
        if (turn->send)
            tell_back(turn->body_len);
        if (turn->close)
            hang_up(hand.asked);
        turn->send = turn->close = false;
        if (hand.asked->state != MILTER_SENDING)
            return;
        hand.sent = 0;
        milter_go(hand.asked, turn);
    }
}

static void read_filter(void)
{
    ssize_t got = recv(socket_of(hand.asked), hand.input, sizeof hand.input, MSG_DONTWAIT);

    if (got < 0 && is_temporary(errno))
        return;
    if (got <= 0) {
        hand.sent = 0;
        milter_fail(hand.asked, MILTER_CLOSED, &hand.turn);
        carry_out();
        return;
    }
    struct slice rest = {hand.input, (size_t)got};
    while (rest.len > 0 && hand.asked->state == MILTER_WAITING) {
        hand.sent = 0;
        rest = slice_from(rest, milter_feed(hand.asked, rest, &hand.turn));
        carry_out();
        report();
    }
}

/* The back asks something else before this filter has replied: it has taken too long. */
static void give_up(void)
{
    milter_give_up(hand.asked);
    hang_up(hand.asked);
    hand.turn.output_len = 0;
}

/* A filter that has sent something since its last answer, or hung up, has failed. */
static enum milter_fault meanwhile(void)
{
    ssize_t got = recv(socket_of(hand.asked), hand.input, sizeof hand.input, MSG_DONTWAIT);

    return got > 0                            ? MILTER_MALFORMED
           : got == 0 || !is_temporary(errno) ? MILTER_CLOSED
                                              : MILTER_SAID;
}

/* Finds the filter that the message is for. */
static void find_asked(size_t len)
{
    const struct wall_milter_event *event = &hand.message.milter_event;

    if (hand.message.type == WALL_MILTER_EVENT) {
        if (len < offsetof(struct wall_milter_event, strings) || event->filter >= MILTERS_MAX)
            quit();
        hand.asked = &hand.filters[event->filter];
    } else if ((hand.message.type != WALL_MILTER_HEADER && hand.message.type != WALL_MILTER_BODY) ||
               hand.asked == NULL) {
        quit();
    }
}

static void read_wall(void)
{
    size_t len;

    if (wall_receive(CONFINE_WALL, &hand.message, &len) != 1)
        quit();
    hand.heard = clock_ms();
    if (is_busy())
        give_up();
    find_asked(len);
    bool answered =
        hand.message.type != WALL_MILTER_EVENT || hand.message.milter_event.step != MILTER_ABORT;
    enum milter_fault fault = answered && !hand.asked->failed ? meanwhile() : MILTER_SAID;
    hand.sent = 0;
    hand.turn.body_len = len;
    if (fault != MILTER_SAID)
        milter_fail(hand.asked, fault, &hand.turn);
    else
        milter_request(hand.asked, &hand.turn);
    carry_out();
}

/* The wall first: while a filter is asked, the back sends something only to give it up. */
static void take_turn(void)
{
    bool busy = is_busy();
    struct pollfd fds[] = {
        {.fd = CONFINE_WALL, .events = POLLIN | POLLRDHUP},
        {.fd = busy ? socket_of(hand.asked) : -1, .events = has_unsent() ? POLLOUT : POLLIN},
    };

    if (poll(fds, 2, -1) < 0) {
        if (!is_temporary(errno))
            quit();
        return;
    }
    if (fds[0].revents != 0)
        read_wall();
    else if (has_unsent())
        carry_out();
    else
        read_filter();
}

_Noreturn void milters_run(void *context)
{
    (void)context;
#ifdef MAILSLOT_TEST_HOOK
    hook_run("MAILSLOT_TEST_HOOK_FILTERS", CONFINE_FILTERS);
#endif
    hand.turn.message = &hand.message;
    hand.turn.buffer = hand.buffer;
    for (uint32_t number = 0; number < MILTERS_MAX; number++)
        milter_begin(&hand.filters[number], number);
    for (;;)
        take_turn();
}
