/*
 * wire: the descriptors to and from the client, and the deadlines: bytes as they go over the
 * network.
 *
 * Times are milliseconds of the monotonic clock.
 */
#ifndef MAILSLOT_WIRE_H
#define MAILSLOT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_result {
    WIRE_OK,
    WIRE_CLOSED,   /* by the client */
    WIRE_IDLE,     /* the deadline has passed */
    WIRE_OVERTIME, /* the session's deadline has passed */
    WIRE_BACK,     /* the back is gone, or will send no more */
};

struct wire {
    int in, out;
    int wall;         /* watched while waiting: without the back the session is over */
    bool broken;      /* the client takes no more output */
    bool timed_out;   /* ... because it took it too slowly */
    int64_t patience; /* how long the client may take to accept all output, or to send something */
    int64_t session_deadline;
    int64_t deadline;
};

/* Sends everything. An error sets wire->broken; nothing is sent after that. */
void wire_send(struct wire *wire, const char *bytes, size_t len);

/* Waits for some bytes, until wire->deadline. *got may be 0 with WIRE_OK. */
enum wire_result wire_receive(struct wire *wire, char *to, size_t size, size_t *got);

/* Has the kernel acknowledge at once what was received, which it otherwise delays by 40 ms when
 * there is nothing to send. A client that sends its handshake in small pieces may wait for that
 * before it goes on (Nagle's algorithm). */
void wire_acknowledge(const struct wire *wire);

/* Ends the output and reads on for a moment: a socket that is closed with unread input is reset,
 * and the reset can destroy the last reply before the client has seen it. Without wait: only if
 * input is there already. */
void wire_linger(struct wire *wire, bool wait);

#endif
