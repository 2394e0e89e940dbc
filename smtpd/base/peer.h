/*
 * peer: the client at the other end, as the log and the trace fields name it.
 */
#ifndef MAILSLOT_PEER_H
#define MAILSLOT_PEER_H

#include <stdint.h>

enum { PEER_MAX = 64 };

/*
 * The address of the peer of socket fd, NUL-terminated: `192.0.2.1`, `2001:db8::1`, with an
 * IPv4-mapped address as IPv4; `local` for a UNIX socket. If fd is not a socket: what the UCSPI
 * variables say ($PROTO, ${PROTO}REMOTEIP), if it is an address; else `unknown`. Variables never
 * overrule a socket.
 */
void peer_name(int fd, char name[PEER_MAX]);

/* The port of the peer of socket fd; 0: it has none, or fd is not a socket. */
uint16_t peer_port(int fd);

/* What counts as one client: the peer's address; for IPv6 its /64, because one host may use all
 * of it. */
void peer_source(const char *name, char source[PEER_MAX]);

/* What may belong to one customer of a provider: the /48 of an IPv6 address; otherwise the same
 * as the source. */
void peer_network(const char *name, char network[PEER_MAX]);

#endif
