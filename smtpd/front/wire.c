#include "wire.h"

#include "../base/clock.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FAREWELL_MS = 1000,
    LINGER_MS = 2000,
    LINGER_BYTES = 1 << 20,
};

/* Does not block, so that a client cannot hold us by taking our output slowly. A pipe has no such
 * call, but takes PIPE_BUF bytes at once whenever poll() reports room. */
static ssize_t send_some(const struct wire *wire, const char *bytes, size_t len)
{
    ssize_t sent = send(wire->out, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && errno == ENOTSOCK)
        sent = write(wire->out, bytes, len < PIPE_BUF ? len : PIPE_BUF);
    return sent;
}

void wire_send(struct wire *wire, const char *bytes, size_t len)
{
    struct pollfd client = {.fd = wire->out, .events = POLLOUT};
    int64_t begun = clock_ms(), end = begun + wire->patience;
    size_t done = 0;

    if (end > wire->session_deadline)
        end = wire->session_deadline;
    if (end < begun + FAREWELL_MS) /* a session's last reply should still get through */
        end = begun + FAREWELL_MS;
    while (done < len && !wire->broken) {
        int64_t left = end - clock_ms();
        int ready = left > 0 ? poll(&client, 1, (int)left) : 0;
        ssize_t sent = ready > 0 ? send_some(wire, bytes + done, len - done) : -1;
        if (sent > 0)
            done += (size_t)sent;
        else if (ready == 0 || (errno != EINTR && errno != EAGAIN))
            wire->broken = true;
        wire->timed_out = wire->broken && ready == 0;
    }
}

static enum wire_result wait_readable(struct wire *wire)
{
    struct pollfd fds[] = {{.fd = wire->in, .events = POLLIN},
                           {.fd = wire->wall, .events = POLLRDHUP}};

    for (;;) {
        int64_t now = clock_ms();
        if (now >= wire->session_deadline)
            return WIRE_OVERTIME;
        if (now >= wire->deadline)
            return WIRE_IDLE;
        int64_t end =
            wire->deadline < wire->session_deadline ? wire->deadline : wire->session_deadline;
        if (poll(fds, 2, (int)(end - now)) < 0 && errno != EINTR)
            return WIRE_CLOSED;
        if (fds[1].revents != 0)
            return WIRE_BACK;
        if (fds[0].revents != 0)
            return WIRE_OK;
    }
}

enum wire_result wire_receive(struct wire *wire, char *to, size_t size, size_t *got)
{
    *got = 0;
    if (wire->broken)
        return WIRE_CLOSED;
    enum wire_result result = wait_readable(wire);
    if (result != WIRE_OK)
        return result;
    ssize_t count = read(wire->in, to, size);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return WIRE_OK;
    if (count <= 0)
        return WIRE_CLOSED;
    *got = (size_t)count;
    return WIRE_OK;
}

void wire_acknowledge(const struct wire *wire)
{
    const int on = 1;

    setsockopt(wire->in, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void wire_linger(struct wire *wire, bool wait)
{
    int64_t end = clock_ms() + LINGER_MS, left;
    struct pollfd client = {.fd = wire->in, .events = POLLIN};
    size_t room = LINGER_BYTES;
    char ignored[4096];

    if (shutdown(wire->out, SHUT_WR) != 0) /* a pipe needs none of this */
        return;
    if (!wait && poll(&client, 1, 0) == 0)
        return;
    while ((left = end - clock_ms()) > 0 && poll(&client, 1, (int)left) > 0) {
        ssize_t got = read(wire->in, ignored, sizeof ignored);
        if (got <= 0 || (size_t)got > room)
            return;
        room -= (size_t)got;
    }
}
