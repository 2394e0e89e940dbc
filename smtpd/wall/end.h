/*
 * end: why a session ended: the last reply to the client, and the word in the log.
 */
#ifndef MAILSLOT_END_H
#define MAILSLOT_END_H

#include "reply.h"

#include <stdbool.h>
#include <stdint.h>

enum end {
    /* what the front reports */
    END_QUIT,
    END_CLOSED, /* by the client, which gets no reply */
    END_IDLE,
    END_TOO_LONG,
    END_TOO_SLOW,
    END_ERRORS,     /* too many */
    END_NO_MESSAGE, /* too many commands that led to no message */
    END_MESSAGES,   /* too many */
    END_AUTH,       /* failed too often */
    END_CHUNK,      /* of unknown length */
    END_HTTP,
    END_TLS,    /* a ClientHello where a command is due */
    END_FILTER, /* wants it to end */
    END_UNSAFE, /* the configuration: it is not served */
    END_FAULT,
    /* what the front does not report as the end of the session */
    END_HANDED_OVER, /* 220 is the reply to STARTTLS: the next front may begin */
    END_STOPPED,     /* by the back */
    END_NO_TLS,      /* the handshake failed */
    END_FRONT_GONE,
    END_BREACH, /* the front broke the rules */
    END_COUNT
};

/* The last reply; not for END_CLOSED, nor for those that only the back sees. */
enum reply end_reply(enum end end);

/* Its word in the log. */
const char *end_word(enum end end);

/* May a front report this end of the session? */
bool end_is_of_front(uint32_t end);

#endif
