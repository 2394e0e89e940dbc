/*
 * milter_talk: asks a filter what it is, as a session would, with the same machine
 * (../../smtpd/hand/milter.h): negotiation, a connection from 127.0.0.1, and QUIT. It is shown no
 * message. All waits together end after MILTER_TALK_SECONDS.
 */
#ifndef MAILSLOT_MILTER_TALK_H
#define MAILSLOT_MILTER_TALK_H

#include "../../smtpd/wall/milter.h"

#include <stdbool.h>

enum { MILTER_TALK_SECONDS = 10 };

struct milter_talk {
    bool overtime;                  /* no reply in time; then nothing but its step is valid: */
    struct wall_milter_reply reply; /* to MILTER_CONNECT, or the fault before it */
    uint32_t version;               /* of the protocol; 0: not negotiated */
};

/* Takes the descriptor. hostname: this server's. */
void milter_talk(int fd, const char *hostname, struct milter_talk *talk);

#endif
