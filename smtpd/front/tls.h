/*
 * tls: the server's side of TLS 1.2 and 1.3 in the front, by GnuTLS, over the wire.
 *
 * There is no private key here: the back makes the signatures. What GnuTLS writes is collected, and
 * sent in one piece when it wants to read, so that each flight of a handshake is one packet if it
 * fits.
 */
#ifndef MAILSLOT_TLS_H
#define MAILSLOT_TLS_H

#include "../wall/wall.h"
#include "wire.h"

struct tls;

struct gnutls_priority_st; /* made by tls_priority_make() before the fork */

/* Receives the certificates, and performs the handshake before wire->deadline. Returns WIRE_OK with
 * *tls set to the session; WIRE_CLOSED or WIRE_IDLE with a WALL_INSECURE in message that tells the
 * back why; or what else ended it. message is the caller's only buffer for the wall. */
enum wire_result tls_begin(struct tls **tls, struct wire *wire, struct gnutls_priority_st *priority,
                           const struct wall_settings *settings, struct wall_message *message);

/* Describes the result of the handshake. */
void tls_secured(struct tls *tls, struct wall_secured *secured);

/* As wire_send() and wire_receive(). WIRE_CLOSED: the connection ended, with a close_notify or
 * without, or what came is not TLS. SMTP itself tells what was complete. */
void tls_send(struct tls *tls, const char *bytes, size_t len);
enum wire_result tls_receive(struct tls *tls, char *to, size_t size, size_t *got);

/* Sends close_notify. */
void tls_bye(struct tls *tls);

#endif
