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
    WIRE_BACK,     /* the back is gone, or will say no more */
};

struct wire {
    int in, out;
    int wall;         /* watched while waiting: without the back there is nothing to wait for */
    bool broken;      /* the client takes no more output */
    bool timed_out;   /* ... because it took it too slowly */
    int64_t patience; /* for the client to take all of our output, or send something */
    int64_t session_deadline;
    int64_t deadline;
};

/* Sends all. What goes wrong shows in wire->broken; then nothing more is sent. */
void wire_send(struct wire *wire, const char *bytes, size_t len);

/* Waits for some bytes, due before wire->deadline; *got may be 0 though all is well. */
enum wire_result wire_receive(struct wire *wire, char *to, size_t size, size_t *got);

/* Has the kernel acknowledge at once what was received. It puts that off for 40 ms where we have
 * nothing to send; and a client in a handshake, which writes in small pieces, may wait for it
 * before it goes on (Nagle's algorithm). */
void wire_acknowledge(const struct wire *wire);

/* Ends the output and reads on for a moment: a socket closed with input unread is reset, and the
 * reset can destroy the last reply before the client has seen it. Without wait: only if there is
 * input, or some is unread already. */
void wire_linger(struct wire *wire, bool wait);

#endif
