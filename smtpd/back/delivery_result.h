/*
 * delivery_result: what becomes of a part of a transaction (target.h), read from the states of its
 * targets: the verdict for the client, and the reply where another server's is passed on.
 */
#ifndef MAILSLOT_DELIVERY_RESULT_H
#define MAILSLOT_DELIVERY_RESULT_H

#include "delivery_state.h"

/* VERDICT_OK if all of its targets have the message; otherwise why not. If some have it already, a
 * failure that may pass counts more than a refusal for good, so that the client tries again. */
enum verdict delivery_result(const struct delivery *delivery, size_t part);

/* Do some of its targets have the message, or may have it, and others not? */
bool delivery_is_partial(const struct delivery *delivery, size_t part);

/* The reply, if verdict_is_said(): a line of WALL_SAID without its LF. A refusal says who does not
 * have the message if others have it. Returns its length. */
size_t delivery_said(const struct delivery *delivery, size_t part, char to[MILTER_SAID_MAX + 1]);

/* Logs that some have the message and others not. */
void delivery_log_partial(const struct delivery *delivery, size_t part);

#endif
