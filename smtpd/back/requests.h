/*
 * requests: what the front asks, checked and answered: addresses, messages, the end. Its parts:
 * requests_tls.h, requests_auth.h.
 */
#ifndef MAILSLOT_REQUESTS_H
#define MAILSLOT_REQUESTS_H

#include "back_state.h"

/* Handles back->message, whose body has this length. */
void requests_handle(struct back *back, size_t len);

#endif
