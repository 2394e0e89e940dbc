/*
 * pipe: the session between the client, which is a hand, and the smarthost, after the log-in.
 *
 * It greets the client, answers its EHLO, and hands bytes through in both directions until one
 * side closes. Buffers are small: who reads slowly slows the other side down. The relay hangs up by
 * itself, with 421 for the client and QUIT for the smarthost, some seconds after the last
 * transaction.
 */
#ifndef MAILSLOT_PIPE_H
#define MAILSLOT_PIPE_H

#include "link.h"
#include "offers.h"

enum {
    PIPE_IDLE_MS = 5000,   /* after a transaction */
    PIPE_FIRST_MS = 60000, /* before the first one */
    PIPE_QUIT_MS = 1000,   /* for the reply to QUIT */
};

/* client: a connected socket that does not block. Returns when the session is over. */
void pipe_run(struct link *link, int client, const struct offers *offers,
              const struct offers_facts *facts);

#endif
