/*
 * milter_probe: asks a filter what it is, as a session would, with the same machine
 * (../../smtpd/hand/milter.h): negotiation, a connection from 127.0.0.1, and QUIT. It is shown no
 * message. All waits together end after MILTER_PROBE_SECONDS.
 */
#ifndef MAILSLOT_MILTER_PROBE_H
#define MAILSLOT_MILTER_PROBE_H

#include "../../smtpd/wall/milter.h"

#include <stdbool.h>

enum { MILTER_PROBE_SECONDS = 10 };

struct milter_probe {
    bool overtime;                  /* no reply in time; then only the next is not valid */
    struct wall_milter_reply reply; /* to MILTER_CONNECT, or the fault before it */
    uint32_t version;               /* of the protocol; 0: not negotiated */
    uint32_t actions;               /* what it may change: MILTER_MAY_* */
};

/* Takes the descriptor. hostname: this server's. */
void milter_probe(int fd, const char *hostname, struct milter_probe *result);

#endif
