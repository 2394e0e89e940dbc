/*
 * secure: the front's requests that lead to TLS and to AUTH.
 */
#ifndef MAILSLOT_SECURE_H
#define MAILSLOT_SECURE_H

#include "state.h"

/* Is a message of this type handled here? */
bool secure_handles(uint32_t type);
void secure_handle(struct back *back);

/* Readies a front that will begin with the handshake, as back->next, and reads the keys once it is
 * there. 0, or -1: it was logged, and there is no such front. */
int secure_prepare(struct back *back);

/* Sends the front in charge what it has to know, as the first thing it hears. */
void secure_send_settings(struct back *back);

#endif
