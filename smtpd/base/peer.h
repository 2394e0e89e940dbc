/*
 * peer: who is at the other end, as the log and the trace name it.
 */
#ifndef MAILSLOT_PEER_H
#define MAILSLOT_PEER_H

enum { PEER_MAX = 64 };

/*
 * The address of the peer of socket fd, NUL-terminated: `192.0.2.1`, `2001:db8::1`, with an
 * IPv4-mapped address as IPv4; `local` for a UNIX socket. Where fd is no socket: what the UCSPI
 * variables say ($PROTO, ${PROTO}REMOTEIP), if it is an address; else `unknown`. Variables never
 * overrule a socket.
 */
void peer_name(int fd, char name[PEER_MAX]);

/* Who counts as one client: the peer, or the /64 of its IPv6 address, because a host has all of
 * that. */
void peer_source(const char *name, char source[PEER_MAX]);

/* Whose all its sources may be: the /48 of an IPv6 address, which is what a customer gets; else the
 * source. */
void peer_network(const char *name, char network[PEER_MAX]);

#endif
