/*
 * fronts: the processes that talk to the client, one after another: STARTTLS starts a new one.
 */
#ifndef MAILSLOT_FRONTS_H
#define MAILSLOT_FRONTS_H

#include "back_state.h"

/* Forks a front, as back->next. 0, or -1: it was logged. */
int fronts_prepare(struct back *back);

/* The same for a front that begins with the handshake: GnuTLS is loaded before the fork, and the
 * keys are read after it. */
int fronts_prepare_tls(struct back *back);

/* back->next takes over. It waits for front_settings_send(). */
void fronts_take_over(struct back *back);

#endif
