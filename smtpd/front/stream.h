/*
 * stream: lines and text from the client, replies to it, in clear or over TLS.
 *
 * Output is collected and flushed in one place, just before a read would block. This makes
 * pipelining (RFC 2920) work by construction.
 */
#ifndef MAILSLOT_STREAM_H
#define MAILSLOT_STREAM_H

#include "../base/slice.h"
#include "wire.h"

enum {
    STREAM_LINE_MAX =
        2048, /* of a command, CR LF included; RFC 5321 section 4.5.3.1.4 demands 512 */
    STREAM_SASL_MAX = 12290, /* of a response in AUTH, CR LF included (RFC 4954 section 4) */
    STREAM_INPUT_SIZE = 32768,
    STREAM_OUTPUT_SIZE = 16384, /* one TLS record; the longest challenge of AUTH fits */
};

enum stream_result {
    STREAM_OK = WIRE_OK,
    /* the end of the connection: */
    STREAM_CLOSED = WIRE_CLOSED,
    STREAM_IDLE = WIRE_IDLE,
    STREAM_OVERTIME = WIRE_OVERTIME,
    STREAM_BACK = WIRE_BACK,
    /* a bad line, to be answered at once; its rest is skipped: */
    STREAM_LONG, /* longer than allowed */
    STREAM_BARE, /* with a CR or LF alone */
    STREAM_NUL,
    STREAM_TLS, /* not a line: the client begins with a TLS handshake */
};

struct tls;

struct stream {
    struct wire wire;
    struct tls *tls;   /* NULL: in clear */
    bool skipping;     /* in a line that has been answered */
    size_t start, end; /* what is unread of the input */
    size_t pending;    /* output */
    uint64_t received; /* bytes of input, in all */
    char input[STREAM_INPUT_SIZE];
    char output[STREAM_OUTPUT_SIZE];
};

/* Appends to the output. */
void stream_write(struct stream *stream, const char *text, size_t len);
void stream_flush(struct stream *stream);

/* Flushes, ends TLS if there is any, and closes; see wire_linger(). */
void stream_close(struct stream *stream, bool wait);

/* The next line, without its end, valid until the next call; of a bad line, what has arrived of
 * it. Waits until the wire's deadline. max: its greatest length, CR LF included. */
enum stream_result stream_line(struct stream *stream, size_t max, struct slice *line);

/* All unread bytes; waits if there are none. stream_take() takes them. */
enum stream_result stream_peek(struct stream *stream, struct slice *bytes);
void stream_take(struct stream *stream, size_t len);

/* Overwrites all of the input except what is unread: a password may be in it. */
void stream_wipe(struct stream *stream);

#endif
