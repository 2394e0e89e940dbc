#include "pipe.h"

#include "../base/clock.h"
#include "tracker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BUFFER = 16384, /* one record of TLS */
    LINE_MAX = 1024,
};

struct buffer {
    size_t start, end;
    char bytes[BUFFER];
};

static struct {
    struct link *link;
    int client;
    bool client_ended, host_ended;
    struct tracker tracker;
    struct buffer up, down; /* to the smarthost, to the client */
} pipes;

static struct slice waiting(const struct buffer *buffer)
{
    return (struct slice){buffer->bytes + buffer->start, buffer->end - buffer->start};
}

static void take(struct buffer *buffer, size_t len)
{
    buffer->start += len;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

static size_t room(const struct buffer *buffer)
{
    return sizeof buffer->bytes - buffer->end;
}

static bool put(struct buffer *buffer, const char *bytes, size_t len)
{
    if (len > room(buffer))
        return false;
    memcpy(buffer->bytes + buffer->end, bytes, len);
    buffer->end += len;
    return true;
}

/* ---- one step in each direction ----------------------------------------------------------------
 */

static void from_client(void)
{
    struct buffer *up = &pipes.up;
    ssize_t got = recv(pipes.client, up->bytes + up->end, room(up), 0);

    if (got > 0) {
        tracker_client(&pipes.tracker, (struct slice){up->bytes + up->end, (size_t)got});
        up->end += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        pipes.client_ended = true;
    }
}

static void from_host(void)
{
    struct buffer *down = &pipes.down;
    ssize_t got = link_read(pipes.link, down->bytes + down->end, room(down));

    if (got > 0) {
        tracker_server(&pipes.tracker, (struct slice){down->bytes + down->end, (size_t)got});
        down->end += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        pipes.host_ended = true;
    }
}

static void to_client(void)
{
    struct slice bytes = waiting(&pipes.down);
    ssize_t sent = send(pipes.client, bytes.at, bytes.len, MSG_NOSIGNAL);

    if (sent >= 0)
        take(&pipes.down, (size_t)sent);
    else if (errno != EAGAIN && errno != EINTR)
        pipes.client_ended = true;
}

static void to_host(void)
{
    struct slice bytes = waiting(&pipes.up);
    ssize_t sent = link_write(pipes.link, bytes.at, bytes.len);

    if (sent >= 0)
        take(&pipes.up, (size_t)sent);
    else if (errno != EAGAIN && errno != EINTR)
        pipes.host_ended = true;
}

/* Waits until something can be done, and does it. False: the time is over, and nothing can. */
static bool turn(int64_t deadline)
{
    bool up = waiting(&pipes.up).len > 0, down = waiting(&pipes.down).len > 0;
    bool hear_client = !pipes.client_ended && !up, hear_host = !pipes.host_ended && !down;
    struct pollfd fds[] = {
        {.fd = pipes.client, .events = (short)((hear_client ? POLLIN : 0) | (down ? POLLOUT : 0))},
        {.fd = pipes.link->fd, .events = (short)((hear_host ? POLLIN : 0) | (up ? POLLOUT : 0))},
    };
    bool at_once = hear_host && link_has_pending(pipes.link);
    int64_t left = deadline - clock_ms();

    for (int i = 0; i < 2; i++)
        if (fds[i].events == 0)
            fds[i].fd = -1; /* it would be reported for ever */
    int ready = poll(fds, 2, at_once ? 0 : deadline < 0 ? -1 : left > 0 ? (int)left : 0);
    if (ready == 0 && !at_once)
        return false;
    if (hear_client && fds[0].revents != 0)
        from_client();
    if (hear_host && (at_once || fds[1].revents != 0))
        from_host();
    if (down && fds[0].revents != 0)
        to_client();
    if (up && fds[1].revents != 0)
        to_host();
    return true;
}

/* ---- the client's hello ------------------------------------------------------------------------
 */

static void say(const char *text)
{
    put(&pipes.down, text, strlen(text));
}

static void answer_hello(struct slice line, const struct offers *offers,
                         const struct offers_facts *facts)
{
    static char reply[OFFERS_REPLY_MAX];
    struct slice rest = line, verb = slice_cut_word(&rest);

    if (slice_is_word(verb, "EHLO")) {
        put(&pipes.down, reply, offers_write(offers, facts, reply));
    } else if (slice_is_word(verb, "HELO")) {
        put(&pipes.down, reply, (size_t)sprintf(reply, "250 %.255s\r\n", facts->name));
    } else if (slice_is_word(verb, "QUIT")) {
        say("221 2.0.0 Bye\r\n");
    } else {
        say("503 5.5.1 Say EHLO first\r\n");
    }
}

/* A line of the client that is whole; what comes after it stays. */
static bool next_line(struct slice *line)
{
    struct slice bytes = waiting(&pipes.up);
    const char *end = memchr(bytes.at, '\n', bytes.len);

    if (end == NULL)
        return false;
    *line = (struct slice){bytes.at, (size_t)(end - bytes.at)};
    take(&pipes.up, line->len + 1);
    *line = slice_trim(slice_until(*line, '\r'));
    return true;
}

/* Reads from the client only. False: it has hung up, or is no SMTP client. */
static bool read_client(int64_t deadline)
{
    struct pollfd fd = {.fd = pipes.client, .events = POLLIN};
    int64_t left = deadline - clock_ms();

    if (waiting(&pipes.down).len > 0) {
        to_client();
        fd.events = waiting(&pipes.down).len > 0 ? POLLOUT : POLLIN;
    }
    if (left <= 0 || poll(&fd, 1, (int)left) == 0 || waiting(&pipes.up).len >= LINE_MAX ||
        room(&pipes.up) < LINE_MAX)
        return false;
    if (fd.events == POLLIN) {
        struct buffer *up = &pipes.up;
        ssize_t got = recv(pipes.client, up->bytes + up->end, LINE_MAX, 0);
        pipes.client_ended |= got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
        up->end += got > 0 ? (size_t)got : 0;
    }
    return !pipes.client_ended;
}

/* True: the client has said hello, and what follows is for the smarthost. */
static bool serve_hello(const struct offers *offers, const struct offers_facts *facts)
{
    int64_t deadline = clock_ms() + PIPE_FIRST_MS;
    struct slice line;
    char greeting[512];

    snprintf(greeting, sizeof greeting, "220 %.255s ESMTP mailslot-relay\r\n", facts->name);
    say(greeting);
    for (;;) {
        while (next_line(&line)) {
            struct slice verb = slice_until(line, ' ');
            answer_hello(line, offers, facts);
            if (slice_is_word(verb, "EHLO") || slice_is_word(verb, "HELO"))
                return true;
            if (slice_is_word(verb, "QUIT"))
                return false;
        }
        if (!read_client(deadline))
            return false;
    }
}

/* ---- the session -------------------------------------------------------------------------------
 */

/* Everything that is waiting goes out, or the other side is gone, or the time over. */
static void flush(int64_t deadline)
{
    while ((waiting(&pipes.up).len > 0 && !pipes.host_ended) ||
           (waiting(&pipes.down).len > 0 && !pipes.client_ended))
        if (clock_ms() >= deadline || !turn(deadline))
            return;
}

/* A transaction that the client has left in the midst of a text is never ended for it. */
static void quit(void)
{
    bool in_text = pipes.tracker.in_text;

    flush(clock_ms() + PIPE_QUIT_MS);
    if (in_text || pipes.host_ended || !put(&pipes.up, "QUIT\r\n", 6))
        return;
    pipes.client_ended = true;
    int64_t deadline = clock_ms() + PIPE_QUIT_MS;
    /* The clock, too: a smarthost may send for ever. */
    while (!pipes.host_ended && clock_ms() < deadline && turn(deadline))
        pipes.down.start = pipes.down.end = 0; /* nobody reads it */
}

static int64_t patience(void)
{
    return pipes.tracker.used ? PIPE_IDLE_MS : PIPE_FIRST_MS;
}

static void hand_through(void)
{
    int64_t idle_since = clock_ms();
    bool was_idle = true;

    while (!pipes.client_ended && !pipes.host_ended) {
        bool idle = tracker_is_idle(&pipes.tracker);
        if (idle && !was_idle)
            idle_since = clock_ms();
        was_idle = idle;
        if (!turn(idle ? idle_since + patience() : -1)) {
            say("421 4.4.2 Idle: closing the connection\r\n");
            break;
        }
    }
    quit();
}

void pipe_run(struct link *link, int client, const struct offers *offers,
              const struct offers_facts *facts)
{
    pipes.link = link;
    pipes.client = client;
    tracker_begin(&pipes.tracker);
    if (serve_hello(offers, facts)) {
        tracker_client(&pipes.tracker, waiting(&pipes.up)); /* what was pipelined */
        hand_through();
    } else {
        quit();
    }
}
