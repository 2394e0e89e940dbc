#include "stream.h"

#include "tls.h"

#include <string.h>

void stream_flush(struct stream *stream)
{
    if (stream->pending > 0 && stream->tls != NULL)
        tls_send(stream->tls, stream->output, stream->pending);
    else
        wire_send(&stream->wire, stream->output, stream->pending);
    stream->pending = 0;
}

void stream_write(struct stream *stream, const char *text, size_t len)
{
    if (len > sizeof stream->output - stream->pending)
        stream_flush(stream);
    memcpy(stream->output + stream->pending, text, len);
    stream->pending += len;
}

void stream_close(struct stream *stream, bool wait)
{
    stream_flush(stream);
    if (stream->tls != NULL)
        tls_bye(stream->tls);
    wire_linger(&stream->wire, wait || stream->start < stream->end);
}

/* Reads what there is, behind what is unread. The one place where output is flushed and a read may
 * block. The caller sees to it that there is room. */
static enum stream_result fill(struct stream *stream)
{
    size_t got;

    if (stream->start > 0) {
        memmove(stream->input, stream->input + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
    }
    stream_flush(stream);
    char *to = stream->input + stream->end;
    size_t room = sizeof stream->input - stream->end;
    enum wire_result result = stream->tls != NULL ? tls_receive(stream->tls, to, room, &got)
                                                  : wire_receive(&stream->wire, to, room, &got);
    stream->end += got;
    stream->received += got;
    return (enum stream_result)result;
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
static enum stream_result look_at_line(struct stream *stream, size_t max, const char *line,
                                       const char *end)
{
    size_t len = end != NULL ? (size_t)(end - line) : stream->end - stream->start;
    enum stream_result result = STREAM_OK;

    if (end == NULL && len > 0 && line[len - 1] == '\r')
        len--; /* perhaps the end's first half */
    if (len > max - 2)
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

/* A TLS record with a handshake. It need not have a line end, and its sender waits for an answer.
 */
static bool is_handshake(const char *line, size_t len)
{
    return len >= 2 && line[0] == 0x16 && line[1] == 0x03;
}

enum stream_result stream_line(struct stream *stream, size_t max, const char **line, size_t *len)
{
    for (;;) {
        if (!stream->skipping || skip_line(stream)) {
            *line = stream->input + stream->start;
            *len = 0;
            if (is_handshake(*line, stream->end - stream->start))
                return STREAM_TLS;
            const char *end = find_end(*line, stream->end - stream->start);
            enum stream_result result = look_at_line(stream, max, *line, end);
            if (end != NULL || result != STREAM_OK) {
                *len = (size_t)((end != NULL ? end : stream->input + stream->end) - *line);
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

void stream_wipe(struct stream *stream)
{
    explicit_bzero(stream->input, stream->start);
    explicit_bzero(stream->input + stream->end, sizeof stream->input - stream->end);
}
