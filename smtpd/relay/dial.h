/*
 * dial: connects to a host by name: all of its addresses in turn, IPv6 and IPv4.
 *
 * A dead address costs a quarter of a second: then the next one is tried as well, and whichever
 * answers first is used (RFC 8305 section 5). The name is looked up by a child process, because
 * getaddrinfo(3) has no deadline, and reads what strangers send.
 */
#ifndef MAILSLOT_DIAL_H
#define MAILSLOT_DIAL_H

#include "fault.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

enum { DIAL_ADDRESSES_MAX = 16 };

struct dial_address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } is;
};

struct dial {
    struct dial_address addresses[DIAL_ADDRESSES_MAX];
    int fds[DIAL_ADDRESSES_MAX]; /* being connected; -1: not, or no longer */
    size_t len, next;            /* to be tried */
    int64_t started;             /* when the last one was */
    int error;                   /* errno of the last one that failed */
};

/* Looks the name, or address, up before the deadline (clock_ms()). 0, or -1 with the failure. */
int dial_begin(struct dial *dial, const char *host, uint16_t port, int64_t deadline,
               struct fault *fault);

/* Connects to one more of the addresses before the deadline. Returns the socket, which does not
 * block, and its address as text; or -1 with the failure: there are no more. */
enum { DIAL_TEXT_MAX = 64 };
int dial_next(struct dial *dial, int64_t deadline, char address[DIAL_TEXT_MAX],
              struct fault *fault);

/* Could dial_next() return another one? */
bool dial_has_more(const struct dial *dial);

/* Gives up the addresses that are left. */
void dial_end(struct dial *dial);

#endif
