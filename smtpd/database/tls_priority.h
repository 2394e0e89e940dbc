/*
 * tls_priority: which versions and algorithms of TLS are on: tls-priority of mailslot.conf, less
 * what is never used.
 */
#ifndef MAILSLOT_TLS_PRIORITY_H
#define MAILSLOT_TLS_PRIORITY_H

#include "../base/gnutls.h"
#include "settings.h"

/*
 * The priorities of TLS: those of the settings, or else the system's, without what is too old, what
 * needs the key to decrypt (RSA key exchange), and what costs the server many milliseconds (groups
 * in a finite field). gnutls_load() first. Returns 0, or a GnuTLS error with *where in
 * settings->tls_priority; it is an error, too, if not enough remains for a handshake.
 */
int tls_priority_make(gnutls_priority_t *priority, const struct settings *settings,
                      const char **where);

/* Is this one of the algorithms by which a server of these versions signs? TLS 1.3 never signs by
 * RSA with PKCS #1. */
bool tls_priority_signs(gnutls_priority_t priority, gnutls_sign_algorithm_t algorithm);

#endif
