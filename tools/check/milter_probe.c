#include "milter_probe.h"

#include "../../smtpd/base/clock.h"
#include "../../smtpd/hand/milter.h"
#include "../kit/memory.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dialogue {
    int fd; /* -1: closed */
    int64_t deadline;
    struct milter milter;
    struct milter_turn turn;
    struct wall_message message; /* of the turn */
    char buffer[MILTER_BUFFER_SIZE];
    bool answered;
    struct milter_probe *result;
};

/* Waits until the filter can be read from or written to. */
static bool wait_for(struct dialogue *talk, short events)
{
    struct pollfd poll_fd = {.fd = talk->fd, .events = events};
    int64_t left = talk->deadline - clock_ms();

    return left > 0 && poll(&poll_fd, 1, (int)left) == 1;
}

static void hang_up(struct dialogue *talk)
{
    if (talk->fd >= 0)
        close(talk->fd);
    talk->fd = -1;
}

static void send_output(struct dialogue *talk)
{
    size_t done = 0;

    while (done < talk->turn.output_len) {
        ssize_t sent =
            send(talk->fd, talk->buffer + done, talk->turn.output_len - done, MSG_NOSIGNAL);
        if (sent > 0)
            done += (size_t)sent;
        else if (sent == 0 || errno != EAGAIN || !wait_for(talk, POLLOUT))
            return; /* reading tells why */
    }
}

/* Carries out a turn of the machine. */
static void carry_out(struct dialogue *talk)
{
    if (talk->fd >= 0)
        send_output(talk);
    if (talk->turn.send && talk->message.type == WALL_MILTER_REPLY) {
        talk->answered = true;
        talk->result->reply = talk->message.milter_reply;
    }
    if (talk->turn.close)
        hang_up(talk);
}

static void feed(struct dialogue *talk, struct slice bytes)
{
    while (bytes.len > 0 && !talk->answered) {
        bytes = slice_from(bytes, milter_feed(&talk->milter, bytes, &talk->turn));
        carry_out(talk);
    }
}

static void read_some(struct dialogue *talk)
{
    char bytes[4096];

    if (!wait_for(talk, POLLIN)) {
        talk->result->overtime = talk->answered = true;
        hang_up(talk);
        return;
    }
    ssize_t got = recv(talk->fd, bytes, sizeof bytes, 0);
    if (got > 0) {
        feed(talk, (struct slice){bytes, (size_t)got});
    } else if (got == 0 || errno != EAGAIN) {
        milter_fail(&talk->milter, MILTER_CLOSED, &talk->turn);
        carry_out(talk);
        hang_up(talk);
    }
}

/* Strings in turn, each ended by NUL. Returns their length. */
static size_t put_strings(char *to, size_t size, const char *const *strings, size_t len)
{
    size_t used = 0;

    for (size_t i = 0; i < len; i++)
        used += (size_t)snprintf(to + used, size - used, "%s", strings[i]) + 1;
    return used;
}

/* A client on this host connects. */
static void connect_client(struct dialogue *talk, const char *hostname)
{
    static const char *const client[] = {"localhost", "4", "0", "127.0.0.1"};
    const char *const macros[] = {
        "j",         hostname,      "_",         "localhost [127.0.0.1]", "client_name",
        "localhost", "client_addr", "127.0.0.1", "daemon_name",           "mailslot-check"};
    struct wall_milter_event *event = &talk->message.milter_event;

    talk->message.type = WALL_MILTER_EVENT;
    *event = (struct wall_milter_event){.step = MILTER_CONNECT};
    size_t len =
        put_strings(event->strings, MILTER_EVENT_MAX, client, sizeof client / sizeof client[0]);
    event->arguments_len = (uint16_t)len;
    event->macros_len = (uint16_t)put_strings(event->strings + len, MILTER_EVENT_MAX - len, macros,
                                              sizeof macros / sizeof macros[0]);
    talk->turn.body_len =
        offsetof(struct wall_milter_event, strings) + event->arguments_len + event->macros_len;
    milter_request(&talk->milter, &talk->turn);
    carry_out(talk);
}

void milter_probe(int fd, const char *hostname, struct milter_probe *result)
{
    struct dialogue *talk = memory_get(sizeof *talk);

    *result = (struct milter_probe){.version = 0};
    memset(talk, 0, sizeof *talk);
    talk->fd = fd;
    talk->deadline = clock_ms() + MILTER_PROBE_SECONDS * 1000;
    talk->result = result;
    talk->turn.message = &talk->message;
    talk->turn.buffer = talk->buffer;
    milter_begin(&talk->milter, 0);
    connect_client(talk, hostname);
    while (!talk->answered && talk->fd >= 0) {
        if (talk->milter.state == MILTER_SENDING) {
            milter_go(&talk->milter, &talk->turn);
            carry_out(talk);
        } else {
            read_some(talk);
        }
    }
    result->version = talk->milter.version;
    result->actions = talk->milter.actions;
    if (talk->fd >= 0) {
        milter_quit(&talk->milter, &talk->turn);
        carry_out(talk);
    }
    hang_up(talk);
    free(talk);
}
