/*
 * requests_said: what other servers and filters have said, for the client: it goes to the front
 * before the verdict or the result.
 */
#ifndef MAILSLOT_REQUESTS_SAID_H
#define MAILSLOT_REQUESTS_SAID_H

#include "back_state.h"

/* Of a sender or a recipient. Nothing unless verdict_is_said(). */
void requests_said(struct back *back, enum verdict verdict);

/* Of a message: a line for each part that gets one. */
void requests_said_results(struct back *back, const struct wall_result *result);

#endif
