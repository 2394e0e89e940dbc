/*
 * requests_tls: the front's requests that lead to TLS, WALL_STARTTLS to WALL_INSECURE.
 */
#ifndef MAILSLOT_REQUESTS_TLS_H
#define MAILSLOT_REQUESTS_TLS_H

#include "back_state.h"

void requests_tls(struct back *back);

#endif
