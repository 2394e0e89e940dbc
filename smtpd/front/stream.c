#include "stream.h"

#include "../clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FAREWELL_MS = 1000,
    LINGER_MS = 2000,
    LINGER_BYTES = 1 << 20,
};

/* In pieces that do not block when poll() says that there is room, be it a pipe's: a client that
 * takes our output too slowly cannot hold us. */
void stream_flush(struct stream *stream)
{
    struct pollfd client = {.fd = stream->out, .events = POLLOUT};
    int64_t begun = clock_ms(), end = begun + stream->patience;
    size_t done = 0;

    if (end > stream->session_deadline)
        end = stream->session_deadline;
    if (end < begun + FAREWELL_MS) /* the reason why a session ends should still get through */
        end = begun + FAREWELL_MS;
    while (done < stream->pending && !stream->broken) {
        size_t len = stream->pending - done < PIPE_BUF ? stream->pending - done : PIPE_BUF;
        int64_t left = end - clock_ms();
        int ready = left > 0 ? poll(&client, 1, (int)left) : 0;
        ssize_t written = ready > 0 ? write(stream->out, stream->output + done, len) : -1;
        if (written > 0)
            done += (size_t)written;
        else if (ready == 0 || (errno != EINTR && errno != EAGAIN))
            stream->broken = true;
    }
    stream->pending = 0;
}

void stream_write(struct stream *stream, const char *text, size_t len)
{
    if (len > sizeof stream->output - stream->pending)
        stream_flush(stream);
    memcpy(stream->output + stream->pending, text, len);
    stream->pending += len;
}

static enum stream_result wait_readable(struct stream *stream)
{
    struct pollfd fds[] = {{.fd = stream->in, .events = POLLIN}, {.fd = stream->wall}};

    for (;;) {
        int64_t now = clock_ms();
        if (now >= stream->session_deadline)
            return STREAM_OVERTIME;
        if (now >= stream->deadline)
            return STREAM_IDLE;
        int64_t end = stream->deadline < stream->session_deadline ? stream->deadline
                                                                  : stream->session_deadline;
        if (poll(fds, 2, (int)(end - now)) < 0 && errno != EINTR)
            return STREAM_CLOSED;
        if (fds[1].revents != 0)
            return STREAM_BACK;
        if (fds[0].revents != 0)
            return STREAM_OK;
    }
}

void stream_linger(struct stream *stream, bool wait)
{
    int64_t end = clock_ms() + LINGER_MS, left;
    struct pollfd client = {.fd = stream->in, .events = POLLIN};
    size_t room = LINGER_BYTES;

    if (shutdown(stream->out, SHUT_WR) != 0) /* a pipe has no such trouble */
        return;
    if (!wait && stream->start == stream->end && poll(&client, 1, 0) == 0)
        return;
    while ((left = end - clock_ms()) > 0 && poll(&client, 1, (int)left) > 0) {
        ssize_t got = read(stream->in, stream->input, sizeof stream->input);
        if (got <= 0 || (size_t)got > room)
            return;
        room -= (size_t)got;
    }
}

/* Reads what there is, behind what is unread. The one place where output is flushed and a read may
 * block. The caller sees to it that there is room. */
static enum stream_result fill(struct stream *stream)
{
    if (stream->start > 0) {
        memmove(stream->input, stream->input + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
    }
    stream_flush(stream);
    if (stream->broken)
        return STREAM_CLOSED;
    enum stream_result result = wait_readable(stream);
    if (result != STREAM_OK)
        return result;
    ssize_t got = read(stream->in, stream->input + stream->end, sizeof stream->input - stream->end);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return STREAM_OK;
    if (got <= 0)
        return STREAM_CLOSED;
    stream->end += (size_t)got;
    return STREAM_OK;
}

/* The first CR LF in text, or NULL. */
static const char *find_end(const char *text, size_t len)
{
    const char *end = text + len;

    for (const char *lf = text; (lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL; lf++)
        if (lf > text && lf[-1] == '\r')
            return lf - 1;
    return NULL;
}

/* Discards what is left of a line that has been answered. True when its end was found. */
static bool skip_line(struct stream *stream)
{
    const char *at = stream->input + stream->start;
    size_t unread = stream->end - stream->start;
    const char *end = find_end(at, unread);
    bool cr = unread > 0 && at[unread - 1] == '\r';

    stream->skipping = end == NULL;
    stream->start = end != NULL ? (size_t)(end + 2 - stream->input) : stream->end - cr;
    return end != NULL;
}

/* Only CR LF ends a line. What is wrong with one is answered as soon as it shows, so that somebody
 * whose lines end otherwise is told, and does not wait; the rest of the line is then part of it. */
static enum stream_result look_at_line(struct stream *stream, const char *line, const char *end)
{
    size_t len = end != NULL ? (size_t)(end - line) : stream->end - stream->start;
    enum stream_result result = STREAM_OK;

    if (end == NULL && len > 0 && line[len - 1] == '\r')
        len--; /* perhaps the end's first half */
    if (len > STREAM_LINE_MAX - 2)
        result = STREAM_LONG;
    else if (memchr(line, '\n', len) != NULL || memchr(line, '\r', len) != NULL)
        result = STREAM_BARE;
    else if (memchr(line, '\0', len) != NULL)
        result = STREAM_NUL;
    if (end != NULL)
        stream->start += len + 2;
    else
        stream->skipping = result != STREAM_OK;
    return result;
}

enum stream_result stream_line(struct stream *stream, const char **line, size_t *len)
{
    for (;;) {
        if (!stream->skipping || skip_line(stream)) {
            *line = stream->input + stream->start;
            const char *end = find_end(*line, stream->end - stream->start);
            enum stream_result result = look_at_line(stream, *line, end);
            if (end != NULL || result != STREAM_OK) {
                *len = end != NULL ? (size_t)(end - *line) : 0;
                return result;
            }
        }
        enum stream_result result = fill(stream);
        if (result != STREAM_OK)
            return result;
    }
}

enum stream_result stream_peek(struct stream *stream, const char **bytes, size_t *len)
{
    while (stream->start == stream->end) {
        enum stream_result result = fill(stream);
        if (result != STREAM_OK)
            return result;
    }
    *bytes = stream->input + stream->start;
    *len = stream->end - stream->start;
    return STREAM_OK;
}

void stream_take(struct stream *stream, size_t len)
{
    stream->start += len;
}
