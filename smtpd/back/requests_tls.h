/*
 * requests_tls: the front's requests that lead to TLS, WALL_STARTTLS to WALL_INSECURE.
 */
#ifndef MAILSLOT_REQUESTS_TLS_H
#define MAILSLOT_REQUESTS_TLS_H

#include "state.h"

void requests_tls(struct back *back);

/* Readies a front that will begin with the handshake, as back->next, and reads the keys once it is
 * there. 0, or -1: it was logged, and there is no such front. */
int requests_prepare_tls(struct back *back);

#endif
