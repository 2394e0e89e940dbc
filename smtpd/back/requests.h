/*
 * requests: handles the front's requests, those of requests_table.h.
 *
 * Anything else is a breach of the wall, and so is a value out of bounds: it is logged, the front
 * is killed, and no mailbox changes.
 */
#ifndef MAILSLOT_REQUESTS_H
#define MAILSLOT_REQUESTS_H

#include "back_state.h"

/* Handles the request in back->message. */
void requests_handle(struct back *back);

#endif
