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

/* Reads what there is, and appends it to what is unread. The one place where output is flushed and
 * a read may block. The caller sees to it that there is room. */
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
static const char *find_end(struct slice text)
{
    const char *end = text.at + text.len;

    for (const char *lf = text.at; (lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL; lf++)
        if (lf > text.at && lf[-1] == '\r')
            return lf - 1;
    return NULL;
}

static struct slice unread(const struct stream *stream)
{
    return (struct slice){stream->input + stream->start, stream->end - stream->start};
}

/* Discards the rest of a line that has been answered. True when its end was found. */
static bool skip_line(struct stream *stream)
{
    struct slice rest = unread(stream);
    const char *end = find_end(rest);
    bool cr = slice_ends(rest, "\r");

    stream->skipping = end == NULL;
    stream->start = end != NULL ? (size_t)(end + 2 - stream->input) : stream->end - cr;
    return end != NULL;
}

/* Only CR LF ends a line. A bad line is answered as soon as that shows, because a client whose
 * lines end otherwise would wait for ever; the rest of the line is then skipped. */
static enum stream_result look_at_line(struct stream *stream, size_t max, struct slice line,
                                       bool ended)
{
    enum stream_result result = STREAM_OK;
    size_t len = line.len;

    if (!ended && slice_ends(line, "\r"))
        len--; /* perhaps the first half of the line end */
    if (len > max - 2)
        result = STREAM_LONG;
    else if (memchr(line.at, '\n', len) != NULL || memchr(line.at, '\r', len) != NULL)
        result = STREAM_BARE;
    else if (memchr(line.at, '\0', len) != NULL)
        result = STREAM_NUL;
    if (ended)
        stream->start += len + 2;
    else
        stream->skipping = result != STREAM_OK;
    return result;
}

/* A TLS handshake record. It may contain no line end, and its sender waits for an answer. */
static bool is_handshake(struct slice line)
{
    return slice_begins(line, "\x16\x03");
}

enum stream_result stream_line(struct stream *stream, size_t max, struct slice *line)
{
    for (;;) {
        if (!stream->skipping || skip_line(stream)) {
            *line = unread(stream);
            if (is_handshake(*line))
                return STREAM_TLS;
            const char *end = find_end(*line);
            if (end != NULL)
                line->len = (size_t)(end - line->at);
            enum stream_result result = look_at_line(stream, max, *line, end != NULL);
            if (end != NULL || result != STREAM_OK)
                return result;
        }
        enum stream_result result = fill(stream);
        if (result != STREAM_OK)
            return result;
    }
}

enum stream_result stream_peek(struct stream *stream, struct slice *bytes)
{
    while (stream->start == stream->end) {
        enum stream_result result = fill(stream);
        if (result != STREAM_OK)
            return result;
    }
    *bytes = unread(stream);
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
