/*
 * front: the confined process that speaks SMTP with one client.
 */
#ifndef MAILSLOT_FRONT_H
#define MAILSLOT_FRONT_H

struct gnutls_priority_st; /* gnutls_priority_t: versions and algorithms of TLS */

/* Serves the client, in a process that confine_worker() has confined. tls: NULL, or it begins with
 * a handshake. Does not return; the exit status is 0. */
_Noreturn void front_run(struct gnutls_priority_st *tls);

#endif
