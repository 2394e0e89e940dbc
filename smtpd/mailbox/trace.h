/*
 * trace: what is written above a message (RFC 5321 4.4). For every target: Received, and in a
 * submission the Date and Message-ID that it lacks. In a mailbox the `From ` line, Return-Path and
 * Delivered-To come before that.
 */
#ifndef MAILSLOT_TRACE_H
#define MAILSLOT_TRACE_H

#include "../base/address.h"
#include "../base/slice.h"

#include <stdbool.h>
#include <time.h>

/* Room for all of it: undo.c relies on finding the id within the first 8,192 bytes, not counting
 * fields that filters have put above Received (draft.h). */
enum { TRACE_MAX = 5632 };

/* How the message came over TLS. */
struct trace_tls {
    const char *protocol, *cipher; /* words */
    const char *client;            /* the verified name in its certificate, or empty */
};

struct trace {
    const struct address *sender;
    const struct address *recipient; /* the only one, or NULL: recipients must not see others */
    const char *helo;                /* printable, without blanks; written as a valid domain */
    const char *peer;                /* an address literal without brackets, or a word; NULL: who
                                        the client is stays hidden, and HELO, too */
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

/* Writes what is for every target. Returns its length. */
size_t trace_received(char to[TRACE_MAX], const struct trace *trace);

/* Writes only the Date and Message-ID that are to be added. Returns its length. */
size_t trace_missing(char to[TRACE_MAX], const struct trace *trace);

/* Writes all of it for the mailbox of this user; received is what trace_received() has written.
 * Returns its length. */
size_t trace_mailbox(char to[TRACE_MAX], const struct trace *trace, const struct address *user,
                     struct slice received);

/* Writes the beginning of it alone, up to Delivered-To. Returns its length. */
size_t trace_envelope(char to[TRACE_MAX], const struct trace *trace);

#endif
