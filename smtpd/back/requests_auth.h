/*
 * requests_auth: the front's requests that lead to AUTH, WALL_AUTH to WALL_CANCEL.
 */
#ifndef MAILSLOT_REQUESTS_AUTH_H
#define MAILSLOT_REQUESTS_AUTH_H

#include "back_state.h"

void requests_auth(struct back *back);

/* Sets back->auth.offered to the mechanisms that can be had now. */
void requests_offer_auth(struct back *back);

#endif
