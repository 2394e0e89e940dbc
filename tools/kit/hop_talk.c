#include "hop_talk.h"

#include "../../smtpd/base/clock.h"
#include "../../smtpd/hand/client.h"
#include "memory.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct hop_talk {
    int fd; /* -1: closed */
    int64_t deadline;
    struct client client;
    struct client_step step;
    struct wall_message message; /* of the step */
    bool answered;
    bool is_ready;
    struct wall_hop_ready ready;
    struct wall_hop_reply reply; /* the last one */
};

int hop_talk_connect(struct slice path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (path.len >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path.at, path.len);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Waits until the server can be read from or written to. */
static bool wait_for(struct hop_talk *talk, short events)
{
    struct pollfd poll_fd = {.fd = talk->fd, .events = events};
    int64_t left = talk->deadline - clock_ms();

    return left > 0 && poll(&poll_fd, 1, (int)left) == 1;
}

static void hang_up(struct hop_talk *talk)
{
    if (talk->fd >= 0)
        close(talk->fd);
    talk->fd = -1;
}

/* An answer that the server did not give. */
static void fail(struct hop_talk *talk, enum hop_step at, const char *why)
{
    talk->reply = (struct wall_hop_reply){.step = at, .fault = HOP_CLOSED};
    snprintf(talk->reply.text, sizeof talk->reply.text, "%s", why);
    talk->answered = true;
    hang_up(talk);
}

static void send_output(struct hop_talk *talk)
{
    struct client_step *step = &talk->step;
    size_t done = 0;

    while (done < step->output_len && talk->fd >= 0) {
        ssize_t sent = send(talk->fd, step->output + done, step->output_len - done, MSG_NOSIGNAL);
        if (sent > 0)
            done += (size_t)sent;
        else if (sent == 0 || errno != EAGAIN || !wait_for(talk, POLLOUT))
            return; /* reading tells why */
    }
}

/* Carries out a step of the client. */
static void carry_out(struct hop_talk *talk)
{
    struct client_step *step = &talk->step;

    send_output(talk);
    if (step->send) {
        talk->answered = true;
        talk->is_ready = step->message->type == WALL_HOP_READY;
        if (talk->is_ready)
            talk->ready = step->message->hop_ready;
        else
            talk->reply = step->message->hop_reply;
    }
    if (step->close)
        hang_up(talk);
}

static void feed(struct hop_talk *talk, struct slice bytes)
{
    while (bytes.len > 0 && talk->fd >= 0) {
        size_t used = client_feed(&talk->client, bytes, &talk->step);
        carry_out(talk);
        bytes.at += used;
        bytes.len -= used;
    }
}

/* Reads until there is an answer. */
static void wait_for_answer(struct hop_talk *talk, enum hop_step at)
{
    char buffer[4096];

    while (!talk->answered && talk->fd >= 0) {
        if (!wait_for(talk, POLLIN)) {
            fail(talk, at, "no reply in time");
            return;
        }
        ssize_t got = recv(talk->fd, buffer, sizeof buffer, 0);
        if (got > 0) {
            feed(talk, (struct slice){buffer, (size_t)got});
        } else if (got == 0 || errno != EAGAIN) {
            client_closed(&talk->client, &talk->step);
            carry_out(talk);
            hang_up(talk);
        }
    }
    if (!talk->answered)
        fail(talk, at, "it has closed the connection");
}

static void request(struct hop_talk *talk, uint32_t type)
{
    talk->message.type = type;
    if (talk->fd < 0)
        return;
    client_request(&talk->client, &talk->step);
    carry_out(talk);
}

struct hop_talk *hop_talk_begin(int fd, bool lmtp, const char *hostname)
{
    struct hop_talk *talk = memory_get(sizeof *talk);
    struct wall_hop hop = {.lmtp = lmtp};

    memset(talk, 0, sizeof *talk);
    talk->fd = fd;
    talk->deadline = clock_ms() + HOP_TALK_SECONDS * 1000;
    talk->step.message = &talk->message;
    snprintf(hop.hello, sizeof hop.hello, "check.hop.%s", hostname);
    client_begin(&talk->client, &hop, &talk->step);
    carry_out(talk);
    wait_for_answer(talk, HOP_GREETING);
    return talk;
}

bool hop_talk_is_ready(const struct hop_talk *talk, struct wall_hop_ready *ready,
                       struct wall_hop_reply *reply)
{
    *ready = talk->ready;
    *reply = talk->reply;
    return talk->is_ready;
}

void hop_talk_ask(struct hop_talk *talk, const struct address *sender,
                  const struct address *recipient, struct wall_hop_reply *reply)
{
    talk->answered = false;
    memset(&talk->message.hop_mail, 0, sizeof talk->message.hop_mail);
    talk->message.hop_mail.sender = *sender;
    request(talk, WALL_HOP_MAIL);
    talk->message.address = *recipient;
    request(talk, WALL_HOP_RCPT);
    wait_for_answer(talk, HOP_RCPT);
    *reply = talk->reply;
    request(talk, WALL_HOP_RESET);
}

void hop_talk_end(struct hop_talk *talk)
{
    if (talk->fd >= 0) {
        client_quit(&talk->client, &talk->step);
        carry_out(talk);
    }
    hang_up(talk);
    free(talk);
}

void hop_talk_line(const struct wall_hop_reply *reply, char line[HOP_TALK_LINE_MAX])
{
    static const char *const faults[HOP_FAULTS] = {
        [HOP_CLOSED] = "it has closed the connection",
        [HOP_MALFORMED] = "not an SMTP reply: ",
        [HOP_AHEAD] = "it has replied to what was not yet sent: ",
        [HOP_DISORDER] = "out of order",
    };
    const char *fault = reply->fault < HOP_FAULTS ? faults[reply->fault] : NULL;
    bool is_said = reply->code != 0;

    if (reply->fault == HOP_CLOSED && *reply->text != '\0' && !is_said)
        fault = ""; /* the text says more */
    snprintf(line, HOP_TALK_LINE_MAX, "%s", fault == NULL ? "" : fault);
    size_t len = strlen(line);
    if (is_said)
        snprintf(line + len, HOP_TALK_LINE_MAX - len, "%s%u %s%s%s",
                 reply->fault == HOP_CLOSED ? ": " : "", reply->code, reply->status,
                 *reply->status == '\0' ? "" : " ", reply->text);
    else
        snprintf(line + len, HOP_TALK_LINE_MAX - len, "%s", reply->text);
}
