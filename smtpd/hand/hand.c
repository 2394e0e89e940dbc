#include "hand.h"

#include "../confine/confine_worker.h"
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef MAILSLOT_TEST_HOOK
#include "../../tests/hook.h"
#endif

enum {
    INPUT_SIZE = 4096,
    OUTPUT_SIZE = 32768,
    FAREWELL_MS = 1000,
};

/* Commands wait for the replies before them, except for those of one step. */
_Static_assert(OUTPUT_SIZE >= 4 * CLIENT_OUTPUT_MAX, "room for all steps that can be unsent");

/* The whole state of a hand. Two buffers: one for the hop, one for the wall. */
static struct hand {
    struct client client;
    struct client_step step;
    struct wall_message message;
    struct slice text; /* of the message: what is still to be written to the output */
    size_t start, end; /* what is unsent of the output */
    char output[OUTPUT_SIZE];
    char input[INPUT_SIZE];
} hand;

static bool is_temporary(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* Sends as much as the hop takes now. If it takes nothing any more, reading will tell. */
static void flush(void)
{
    while (hand.start < hand.end) {
        ssize_t sent = send(CONFINE_OUT, hand.output + hand.start, hand.end - hand.start,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && !is_temporary(errno))
            hand.start = hand.end;
        if (sent < 0)
            return;
        hand.start += (size_t)sent;
    }
}

/* Sends what there is of the text, until the hop takes no more. */
static void send_text(void)
{
    for (;;) {
        flush();
        if (hand.start < hand.end || hand.text.len == 0)
            return;
        hand.start = 0;
        size_t read =
            hop_text_feed(&hand.client.text, hand.text, hand.output, sizeof hand.output, &hand.end);
        hand.text = slice_from(hand.text, read);
    }
}

/* What the back has sent since is thrown away: if it were left unread, the kernel would report a
 * reset to the back before the last message. */
static _Noreturn void end(void)
{
    shutdown(CONFINE_WALL, SHUT_RD);
    while (recv(CONFINE_WALL, &hand.message, sizeof hand.message, MSG_DONTWAIT) > 0)
        ;
    shutdown(CONFINE_OUT, SHUT_RDWR);
    _exit(0);
}

static void carry_out(void)
{
    const struct client_step *step = &hand.step;

    if (hand.start == hand.end)
        hand.start = hand.end = 0;
    memcpy(hand.output + hand.end, step->output, step->output_len);
    hand.end += step->output_len;
    flush();
    if (step->send && wall_send(CONFINE_WALL, &hand.message, 0) != 0)
        end();
    if (step->close)
        end();
}

static void read_hop(void)
{
    ssize_t got = recv(CONFINE_IN, hand.input, sizeof hand.input, MSG_DONTWAIT);

    if (got < 0 && is_temporary(errno))
        return;
    if (got <= 0) {
        client_closed(&hand.client, &hand.step);
        carry_out();
    }
    for (struct slice rest = {hand.input, (size_t)got}; rest.len > 0;) {
        rest = slice_from(rest, client_feed(&hand.client, rest, &hand.step));
        carry_out();
    }
}

/* The back needs the hop no longer. */
static _Noreturn void quit(void)
{
    struct pollfd hop = {.fd = CONFINE_IN, .events = POLLIN};

    client_quit(&hand.client, &hand.step);
    hand.step.close = false;
    carry_out();
    if (hand.step.output_len > 0)
        poll(&hop, 1, FAREWELL_MS);
    end();
}

/* Has the back sent nothing more, and not closed? */
static bool is_quiet(void)
{
    struct pollfd wall = {.fd = CONFINE_WALL, .events = POLLIN | POLLRDHUP};

    return poll(&wall, 1, 0) == 0;
}

static void read_wall(void)
{
    size_t len;

    if (wall_receive(CONFINE_WALL, &hand.message, &len) != 1)
        quit();
    if (hand.message.type == WALL_TEXT)
        hand.text = (struct slice){hand.message.text, len};
    bool reset = hand.message.type == WALL_HOP_RESET;
    client_request(&hand.client, &hand.step);
    carry_out();
    send_text();
    if (!reset || !is_quiet())
        return;
    client_rest(&hand.client, &hand.step);
    carry_out();
}

/* What the hop has sent is read before anything of the back. That is read only when the hop is to
 * have it at once: so a slow hop holds up the back, and no dot is sent before what comes unasked is
 * seen. */
static void take_turn(void)
{
    bool unsent = hand.start < hand.end;
    bool ready = !unsent && !client_is_busy(&hand.client);
    struct pollfd fds[] = {
        {.fd = CONFINE_IN, .events = POLLIN | (unsent ? POLLOUT : 0)},
        {.fd = CONFINE_WALL, .events = POLLRDHUP | (ready ? POLLIN : 0)},
    };

    if (poll(fds, 2, -1) < 0) {
        if (!is_temporary(errno))
            end();
        return;
    }
    if (fds[0].revents & ~POLLOUT)
        read_hop();
    else if (fds[1].revents != 0 && !ready)
        quit();
    else if (fds[1].revents != 0)
        read_wall();
    else
        send_text();
}

_Noreturn void hand_run(void *context)
{
    size_t len;

    (void)context;
#ifdef MAILSLOT_TEST_HOOK
    hook_run("MAILSLOT_TEST_HOOK_HAND", CONFINE_IN);
#endif
    if (wall_receive(CONFINE_WALL, &hand.message, &len) != 1 || hand.message.type != WALL_HOP)
        end();
    hand.step.message = &hand.message;
    client_begin(&hand.client, &hand.message.hop, &hand.step);
    for (;;)
        take_turn();
}
