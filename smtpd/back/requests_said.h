/*
 * requests_said: passes replies of other servers and filters to the front, before the verdict or
 * the result.
 */
#ifndef MAILSLOT_REQUESTS_SAID_H
#define MAILSLOT_REQUESTS_SAID_H

#include "back_state.h"

/* The reply to MAIL or RCPT. Does nothing unless verdict_is_said(). */
void requests_said(struct back *back, enum verdict verdict);

/* The replies to a message: a line for each part that has one. */
void requests_said_results(struct back *back, const struct wall_result *result);

#endif
