/*
 * stream: the bytes from and to the client: buffers, deadlines, lines.
 *
 * Output gathers and is flushed in one place, just before a read would block: that makes pipelining
 * (RFC 2920) work by construction. Times are milliseconds of the monotonic clock.
 */
#ifndef MAILSLOT_STREAM_H
#define MAILSLOT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STREAM_LINE_MAX = 2048, /* of a command, CR LF included; RFC 5321 4.5.3.1.4 asks for 512 */
    STREAM_INPUT_SIZE = 32768,
    STREAM_OUTPUT_SIZE = 8192,
};

enum stream_result {
    STREAM_OK,
    /* a bad line, to be answered at once; its rest is skipped: */
    STREAM_LONG, /* longer than STREAM_LINE_MAX */
    STREAM_BARE, /* with a CR or LF alone */
    STREAM_NUL,
    /* the end: */
    STREAM_CLOSED,   /* by the client */
    STREAM_IDLE,     /* the deadline has passed */
    STREAM_OVERTIME, /* the session's deadline has passed */
    STREAM_BACK,     /* the back is gone */
};

struct stream {
    int in, out;
    int wall;         /* watched while waiting: without the back there is nothing to wait for */
    bool skipping;    /* in a line that has been answered */
    bool broken;      /* the client does not take our output any more */
    int64_t patience; /* for the client to take all of our output, or send something */
    int64_t session_deadline;
    int64_t deadline;
    size_t start, end; /* what is unread of the input */
    size_t pending;    /* output */
    char input[STREAM_INPUT_SIZE];
    char output[STREAM_OUTPUT_SIZE];
};

/* Appends to the output. */
void stream_write(struct stream *stream, const char *text, size_t len);
void stream_flush(struct stream *stream);

/* Ends the output and reads on for a moment: a socket closed with input unread is reset, and the
 * reset can destroy the last reply before the client has seen it. Without wait: only if there is
 * input. */
void stream_linger(struct stream *stream, bool wait);

/* The next line, without its end, valid until the next call; due before stream->deadline. */
enum stream_result stream_line(struct stream *stream, const char **line, size_t *len);

/* Some unread bytes, at least one, waiting for them if there are none. stream_take() takes them. */
enum stream_result stream_peek(struct stream *stream, const char **bytes, size_t *len);
void stream_take(struct stream *stream, size_t len);

#endif
