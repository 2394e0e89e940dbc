/*
 * login: AUTH at the smarthost (RFC 4954), by the best mechanism that it offers.
 *
 * A password or token goes only where the certificate was verified, or, with smarthost-tls = none
 * or may, to this machine itself. The file is read when it is needed, and wiped at once.
 */
#ifndef MAILSLOT_LOGIN_H
#define MAILSLOT_LOGIN_H

#include "../database/relay_settings.h"
#include "link.h"
#include "offers.h"

/* folder: of the database, to which file names are relative. Returns 0 with the mechanism's name,
 * or -1 with the failure. */
int log_in(struct link *link, const struct relay_settings *settings, const char *folder,
           const struct relay_host *host, const struct offers *offers, const char **mechanism,
           struct fault *fault);

#endif
