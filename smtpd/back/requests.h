/*
 * requests: what the front asks, checked and answered: addresses, messages, notes. TLS and AUTH are
 * secure.c's.
 */
#ifndef MAILSLOT_REQUESTS_H
#define MAILSLOT_REQUESTS_H

#include "state.h"

/* Handles back->message, whose body has this length. */
void requests_handle(struct back *back, size_t len);

#endif
