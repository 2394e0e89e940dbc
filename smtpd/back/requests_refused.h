/*
 * requests_refused: what the front alone has refused, for the log.
 */
#ifndef MAILSLOT_REQUESTS_REFUSED_H
#define MAILSLOT_REQUESTS_REFUSED_H

#include "../wall/reply.h"
#include "back_state.h"

/* Handles WALL_REFUSED. */
void requests_refused(struct back *back);

/* AUTH was refused by this reply. */
void requests_refused_auth(struct back *back, enum reply reply);

#endif
