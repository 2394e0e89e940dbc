/*
 * front: the confined process that speaks SMTP with one client.
 */
#ifndef MAILSLOT_FRONT_H
#define MAILSLOT_FRONT_H

struct gnutls_priority_st; /* gnutls_priority_t: what TLS may be like */

/* Confines the calling process, a child of the back, and serves the client. in and out may be the
 * same descriptor. tls: NULL, or it begins with a handshake. Does not return; the exit status is 0
 * once confined, 111 if it could not be. */
_Noreturn void front_run(int in, int out, int wall, struct gnutls_priority_st *tls);

#endif
