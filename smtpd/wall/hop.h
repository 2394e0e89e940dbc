/*
 * hop: what the back and a hand say to each other about a hop: another mail server, which the hand
 * speaks SMTP (RFC 5321) or LMTP (RFC 2033) with. These are bodies of messages of the wall.
 *
 * WALL_HOP is the first message. Its answer is WALL_HOP_READY, or a WALL_HOP_REPLY if the hop has
 * refused. WALL_HOP_MAIL is held, and sent with the next WALL_HOP_RCPT; it is sent again with the
 * one after that if the hop has refused it. WALL_HOP_RCPT, WALL_HOP_DATA and WALL_HOP_DOT are
 * answered by a WALL_HOP_REPLY; in LMTP, WALL_HOP_DOT by one for each recipient that the hop has
 * accepted, in their order. WALL_TEXT and WALL_HOP_RESET have no answer. RSET is sent with the next
 * WALL_HOP_MAIL, or at once if none follows directly.
 *
 * The hand reports, and decides nothing. A reply with a fault is its last message, and it may come
 * at any time, unasked: then it is the answer to whatever is asked next, even if that can no longer
 * be sent. A wall that closes without one counts as HOP_CLOSED.
 */
#ifndef MAILSLOT_HOP_H
#define MAILSLOT_HOP_H

#include "../base/address.h"
#include "../base/id.h"

#include <stdint.h>

/* Sizes with the NUL. */
enum {
    HOP_HELLO_MAX = ID_MAX + sizeof ".hop." + ADDRESS_DOMAIN_MAX,
    HOP_HOST_MAX = ADDRESS_DOMAIN_MAX + 1,
    HOP_PROTOCOL_MAX = 16,
    HOP_CIPHER_MAX = 64,
    HOP_STATUS_MAX = 12,
    HOP_TEXT_MAX = 400,
};

/* What a reply belongs to. HOP_CONNECT is of the back alone: no hand is needed to say it. */
enum hop_step {
    HOP_CONNECT,
    HOP_GREETING,
    HOP_HELLO, /* EHLO, HELO or LHLO */
    HOP_RESET,
    HOP_MAIL,
    HOP_RCPT,
    HOP_DATA,
    HOP_TEXT, /* between the reply to DATA and the dot */
    HOP_DOT,  /* only here may a message of a hop with a fault have been delivered */
    HOP_IDLE, /* no command was waiting for its reply */
    HOP_STEPS
};

enum hop_fault {
    HOP_SAID,      /* none: the hop has replied, for good or bad. Code 421: and has left */
    HOP_CLOSED,    /* it has hung up without this reply. Code 421: and said so, unasked */
    HOP_MALFORMED, /* its reply is not an SMTP reply, does not fit the command, or is endless */
    HOP_AHEAD,     /* it has replied to what was not yet sent */
    HOP_DISORDER,  /* the back has asked what may not come now */
    HOP_FAULTS
};

/* Extensions of SMTP that the hop offers, as bits. */
enum hop_extension {
    HOP_PIPELINING = 1 << 0,
    HOP_8BITMIME = 1 << 1,
    HOP_SMTPUTF8 = 1 << 2,
    HOP_SIZE = 1 << 3,
    HOP_REQUIRETLS = 1 << 4,
    HOP_EXTENSIONS = (1 << 5) - 1, /* all of them */
};

/* Back to hand. These have no padding, in which something else of the back could cross the wall;
 * the back clears what it does not use. */

struct wall_hop {
    char hello[HOP_HELLO_MAX]; /* the argument of EHLO or LHLO */
    uint8_t lmtp;
};

/* A parameter is sent only if the hop offers its extension. */
struct wall_hop_mail {
    uint64_t size; /* 0: not known */
    struct address sender;
    uint8_t eight_bit; /* BODY=8BITMIME */
    uint8_t utf8;      /* SMTPUTF8 */
    uint8_t require_tls;
    uint8_t unused[3];
};

_Static_assert(sizeof(struct wall_hop) == HOP_HELLO_MAX + 1, "no padding");
_Static_assert(sizeof(struct wall_hop_mail) == 8 + sizeof(struct address) + 6, "no padding");

/* Hand to back. Names and texts end in NUL, but the back makes sure of that. */

struct wall_hop_ready {
    uint32_t extensions; /* bits of enum hop_extension */
    uint32_t verified;   /* 1: the certificate of the host was */
    uint64_t size;       /* the largest message; 0: not told */
    /* As mailslot-relay reports them (XRELAY); empty if it did not. */
    char host[HOP_HOST_MAX];
    char protocol[HOP_PROTOCOL_MAX]; /* empty: no TLS */
    char cipher[HOP_CIPHER_MAX];
};

struct wall_hop_reply {
    uint32_t step;  /* enum hop_step */
    uint32_t fault; /* enum hop_fault; after one, what the reply says is for the log alone */
    uint32_t code;  /* 200 to 599; 0: there is no reply */
    /* The enhanced status code (RFC 3463) of the same class; X.0.0 if the hop has given none; empty
     * with a code of 3xx, or none. */
    char status[HOP_STATUS_MAX];
    /* One line of printable UTF-8 without the codes: all lines of the reply, joined by spaces, cut
     * off where there is no more room. */
    char text[HOP_TEXT_MAX];
};

/* The length of the enhanced status code that text begins with (RFC 3463 section 2), if it may go
 * with this code; else 0. */
size_t hop_status_len(struct slice text, uint32_t code);

#endif
