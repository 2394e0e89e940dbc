/*
 * milter: the messages between the back and the hand that speaks the milter protocol with filters:
 * version 6, as in Postfix and in the libmilter of Sendmail 8.14. These are bodies of messages of
 * the wall.
 *
 * One hand has all filters of a session, each with a number from 0. A filter is negotiated with
 * before its first event. Every message of the back has exactly one answer, WALL_MILTER_REPLY, and
 * the back waits for it; only MILTER_ABORT has none. WALL_MILTER_HEADER and WALL_MILTER_BODY belong
 * to the filter of the last event: after MILTER_DATA the whole header, after MILTER_EOH the body,
 * each in as many messages as it needs. After an answer other than MILTER_CONTINUE this filter is
 * asked nothing more about the message. Before the answer to MILTER_END comes a WALL_MILTER_CHANGE
 * for each change, in order. WALL_MILTER_PROGRESS may come before any answer: the filter is still
 * at work.
 *
 * The hand reports, and decides nothing. After a reply with a fault, every event for this filter is
 * answered by a fault. The other filters are not affected. A wall that closes counts as
 * MILTER_CLOSED for all of them.
 *
 * If a filter takes too long, the back asks another one, or nothing more. An event that comes
 * before the answer to the previous message means that the back has given up the filter of that
 * message, and the hand hangs up on it. Messages of the hand about a filter that was given up may
 * still arrive, and the back ignores them.
 */
#ifndef MAILSLOT_WALL_MILTER_H
#define MAILSLOT_WALL_MILTER_H

#include "../base/slice.h"
#include "hop.h"

#include <stdint.h>

enum {
    MILTERS_MAX = 8,          /* of a session */
    MILTER_EVENT_MAX = 16384, /* bytes of the arguments and macros of an event */
    /* Bytes of each WALL_MILTER_BODY except the last. With CRs it mostly fits in one packet. */
    MILTER_BODY_CHUNK = 64000,
    MILTER_CHANGE_MAX = 65536 - 16, /* bytes of the strings of a change */
    MILTER_TEXT_MAX = 2048,         /* of a reply, with the NUL */
};

/* What a reply belongs to. MILTER_SOCKET never crosses the wall. */
enum milter_step {
    MILTER_SOCKET,    /* connecting to the filter */
    MILTER_NEGOTIATE, /* SMFIC_OPTNEG */
    MILTER_CONNECT,   /* arguments: host name, family (4, 6, L or U), port, address */
    MILTER_HELO,      /* argument: the name */
    MILTER_MAIL,      /* arguments: <address>, parameters */
    MILTER_RCPT,      /* arguments: <address>, parameters */
    MILTER_DATA,
    MILTER_HEADER,
    MILTER_EOH,
    MILTER_BODY,
    MILTER_END,   /* of the message: SMFIC_BODYEOB */
    MILTER_ABORT, /* the transaction is over; no answer */
    MILTER_IDLE,  /* before this event: the filter failed while it was asked nothing */
    MILTER_STEPS
};

enum milter_fault {
    MILTER_SAID,       /* none: the filter has replied */
    MILTER_CLOSED,     /* it has hung up */
    MILTER_MALFORMED,  /* not a reply, not one that fits the step, or too long */
    MILTER_REFUSED,    /* it cannot be negotiated with */
    MILTER_DISORDER,   /* the back has asked what may not come now */
    MILTER_BAD_CHANGE, /* it is malformed, or was not negotiated */
    MILTER_FAULTS
};

enum milter_answer {
    MILTER_CONTINUE,
    MILTER_ACCEPT, /* to MILTER_CONNECT, _HELO: ask nothing more in this session; later: about this
                      message */
    MILTER_REJECT, /* 5xx; with its own reply if there is a code */
    MILTER_TEMPFAIL, /* 4xx, likewise */
    MILTER_DISCARD,  /* 250, and throw the message away; not to MILTER_CONNECT and _HELO */
    MILTER_SHUTDOWN, /* 421, likewise; then the session ends */
    MILTER_ANSWERS
};

enum milter_change {
    MILTER_ADD_FIELD,    /* name, value: after all others */
    MILTER_INSERT_FIELD, /* index from 0, name, value */
    MILTER_CHANGE_FIELD, /* index from 1 of those with the name, name, value; empty: delete it */
    MILTER_BODY_PART, /* value: the next part of a new body, which may be empty: lines end in LF */
    MILTER_ADD_RCPT,  /* value: the address, without <> */
    MILTER_DELETE_RCPT, /* value: likewise */
    MILTER_SENDER,      /* value: likewise; empty: <> */
    MILTER_QUARANTINE,  /* value: the reason */
    MILTER_CHANGES
};

/* Back to hand. Only as much of strings as is used crosses the wall. */
struct wall_milter_event {
    uint32_t filter;
    uint32_t step;          /* enum milter_step, from MILTER_CONNECT to MILTER_END, or _ABORT */
    uint16_t arguments_len; /* bytes of the arguments, each ended by NUL */
    uint16_t macros_len;    /* ... and of the macros after them: name NUL value NUL; no braces */
    uint32_t refused; /* MILTER_RCPT: 1: for those filters only that want to see recipients that
                         were refused; the others continue */
    char strings[65536 - 16];
};

/* Hand to back. The back checks all of it. */

struct wall_milter_reply {
    uint32_t filter;
    uint32_t step;   /* enum milter_step */
    uint32_t fault;  /* enum milter_fault */
    uint32_t answer; /* enum milter_answer */
    uint32_t code; /* of the filter's own reply, of the answer's class; 0: it has none, nor text */
    char status[HOP_STATUS_MAX]; /* as in struct wall_hop_reply */
    char text[MILTER_TEXT_MAX];  /* printable UTF-8 without the codes; lines are separated by CR */
};

/* A change. Header values have their lines separated by LF, and what follows the LF begins with a
 * blank or a tab; they begin with the blank after the colon, if there is one. */
struct wall_milter_change {
    uint32_t filter;
    uint32_t kind; /* enum milter_change */
    uint32_t index;
    uint32_t name_len; /* bytes of the name; the value follows it, to the end of the packet */
    char strings[MILTER_CHANGE_MAX];
};

_Static_assert(sizeof(struct wall_milter_event) == 65536, "the largest body there is");
_Static_assert(sizeof(struct wall_milter_change) == 65536, "the largest body there is");

#endif
