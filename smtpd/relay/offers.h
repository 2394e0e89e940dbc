/*
 * offers: what the smarthost offers in its reply to EHLO (RFC 5321 section 4.1.1.1): what is for
 * the relay itself, and what it passes on to its client. Pure.
 */
#ifndef MAILSLOT_OFFERS_H
#define MAILSLOT_OFFERS_H

#include "../base/slice.h"

enum {
    OFFERS_MAX = 4096,                        /* bytes of lines that are passed on */
    OFFERS_REPLY_MAX = 4 * OFFERS_MAX + 1024, /* of the reply to EHLO */
};

/* Bits, from the best to the worst. */
enum mechanism {
    MECHANISM_OAUTHBEARER = 1 << 0, /* RFC 7628 */
    MECHANISM_XOAUTH2 = 1 << 1,
    MECHANISM_SCRAM_PLUS = 1 << 2, /* SCRAM-SHA-256-PLUS, RFC 7677 */
    MECHANISM_SCRAM = 1 << 3,
    MECHANISM_PLAIN = 1 << 4,
    MECHANISM_LOGIN = 1 << 5,
};

struct offers {
    bool starttls;
    unsigned mechanisms; /* bits of enum mechanism */
    size_t len;
    char lines[OFFERS_MAX]; /* each ends in LF */
};

/* What the relay says of the line. */
struct offers_facts {
    const char *name; /* our own */
    const char *host, *protocol, *cipher;
    bool verified;
};

void offers_begin(struct offers *offers);

/* Adds a line of the reply, after its code; not the first one, which has the host's name. STARTTLS,
 * AUTH and XRELAY are not passed on, nor are lines that are too long or not printable. `AUTH=`
 * (older servers) counts as `AUTH `. */
void offers_add(struct offers *offers, struct slice line);

/* The reply to the client's EHLO, with `XRELAY host protocol cipher verified`; without TLS,
 * protocol and cipher are `-`. REQUIRETLS (RFC 8689) is left out unless the certificate was
 * verified. Returns its length. */
size_t offers_write(const struct offers *offers, const struct offers_facts *facts,
                    char to[OFFERS_REPLY_MAX]);

/* The best mechanism of these: by a token those of OAuth, else those of a password; 0 if there is
 * none. usable: bits. */
enum mechanism offers_best(const struct offers *offers, unsigned usable);

const char *mechanism_name(enum mechanism mechanism);

#endif
