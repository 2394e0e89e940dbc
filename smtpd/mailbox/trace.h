/*
 * trace: what stands in a mailbox above a message: the `From ` line, Return-Path, Delivered-To and
 * Received (RFC 5321 4.4); of a submission also the Date and Message-ID that it lacks.
 */
#ifndef MAILSLOT_TRACE_H
#define MAILSLOT_TRACE_H

#include "../base/address.h"

#include <stdbool.h>
#include <time.h>

/* Room for trace_write(): undo.c relies on finding the id within the first 8,192 bytes. */
enum { TRACE_MAX = 5632 };

/* How the message came over TLS. */
struct trace_tls {
    const char *protocol, *cipher; /* words */
    const char *client;            /* the verified name in its certificate, or empty */
};

struct trace {
    const struct address *sender;
    const struct address *recipient; /* the only one, or NULL: others are nobody's business */
    const char *helo;                /* printable, without blanks; written as a valid domain */
    const char *peer;                /* an address literal without brackets, or a word */
    const char *hostname;
    const char *id;
    bool lmtp;
    bool extended;      /* ESMTP */
    bool utf8;          /* SMTPUTF8 */
    bool authenticated; /* ... and with TLS ESMTPSA (RFC 3848) */
    bool add_date;
    bool add_message_id;
    const struct trace_tls *tls; /* NULL: in clear */
    time_t time;
};

/* Writes it for one mailbox, that of user, and returns its length. */
size_t trace_write(char to[TRACE_MAX], const struct trace *trace, const struct address *user);

#endif
