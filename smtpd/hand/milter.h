/*
 * milter: the milter protocol of one filter, version 6 (../wall/milter.h), as a pure state machine.
 *
 * Messages of the back go in, and bytes of the filter; a turn comes out: bytes for the filter, a
 * message for the back, both, or neither. No I/O, no allocation.
 *
 * Each message of the back gets one answer, and may become many packets for the filter. Anything
 * that a filter sends without being asked is a fault.
 */
#ifndef MAILSLOT_HAND_MILTER_H
#define MAILSLOT_HAND_MILTER_H

#include "../wall/wall.h"
#include "milter_macros.h"
#include "milter_packet.h"

enum milter_state {
    MILTER_QUIET,   /* what the back has asked is answered */
    MILTER_SENDING, /* there is more to send: milter_go() */
    MILTER_WAITING, /* a reply is to come: milter_feed() */
};

/* The message and the buffer are the caller's, and may serve several filters. While a filter is not
 * quiet, both belong to it. */
struct milter_turn {
    struct wall_message *message; /* of the back, then for it */
    size_t body_len;
    bool send;         /* the message to the back, after the output */
    char *buffer;      /* MILTER_BUFFER_SIZE bytes: output, then what the filter has sent */
    size_t output_len; /* how much of the buffer the filter is to get */
    bool close;        /* then hang up on the filter */
};

struct milter {
    uint32_t number;
    enum milter_state state;
    enum milter_step at;     /* what was sent last; MILTER_IDLE: nothing yet */
    enum milter_step asked;  /* by the back */
    enum milter_step within; /* the last step of a message that it wants to go on with */
    enum milter_step skipped;
    bool negotiated, failed;
    bool in_body, body_ended; /* of a new body: it is coming; it has come */
    bool cr;                  /* what has come of it ends in CR */
    uint32_t version, actions, steps;
    struct slice rest; /* of the header or body in the message */
    struct milter_packet packet;
    struct milter_macros macros;
};

void milter_begin(struct milter *milter, uint32_t number);

/* A message of the back: an event for this filter, or a part of the header or body after one. The
 * filter must be MILTER_QUIET, and all its bytes must have been fed; if there were any, or it has
 * hung up, milter_fail() comes first. */
void milter_request(struct milter *milter, struct milter_turn *turn);

/* Continues to send, after the output of the last turn was sent. */
void milter_go(struct milter *milter, struct milter_turn *turn);

/* Bytes of a filter in MILTER_WAITING. Returns how many were read; the rest must be fed after the
 * turn was carried out. */
size_t milter_feed(struct milter *milter, struct slice bytes, struct milter_turn *turn);

/* The filter has hung up, or has sent something without being asked: a fault is the answer to the
 * message of the back, and to all later ones. */
void milter_fail(struct milter *milter, enum milter_fault fault, struct milter_turn *turn);

/* The back has given the filter up: its message gets no answer, and later ones get a fault. */
void milter_give_up(struct milter *milter);

/* The session is over: sends QUIT, unless it has failed or a reply is outstanding. */
void milter_quit(struct milter *milter, struct milter_turn *turn);

#endif
