/*
 * front_settings: what the front in charge has to know.
 */
#ifndef MAILSLOT_FRONT_SETTINGS_H
#define MAILSLOT_FRONT_SETTINGS_H

#include "back_state.h"

/* Sends it, as the first thing that the front hears, and the certificates behind it. */
void front_settings_send(struct back *back);

/* Sets back->auth.offered to the mechanisms that are available now. */
void front_settings_offer_auth(struct back *back);

/* Can STARTTLS be had? A mail system that delivers by a socket of this machine would pay for TLS
 * each time, for nothing: nobody listens there. */
bool front_settings_has_starttls(const struct back *back);

#endif
