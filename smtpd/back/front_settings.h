/* front_settings: the settings that a front gets. */
#ifndef MAILSLOT_FRONT_SETTINGS_H
#define MAILSLOT_FRONT_SETTINGS_H

#include "back_state.h"

/* Sends the settings, the first message to a front, and the certificates after them. */
void front_settings_send(struct back *back);

/* Sets back->auth.offered to the mechanisms that are available now. */
void front_settings_offer_auth(struct back *back);

/* Is STARTTLS available? Not by LMTP over a local socket, where nobody can listen in and TLS would
 * cost each delivery for nothing. */
bool front_settings_has_starttls(const struct back *back);

#endif
