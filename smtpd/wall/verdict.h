/*
 * verdict: what becomes of a sender, a recipient, a message or a log-in. A verdict has one name
 * from where it is found to the reply: the directory, the delivery and the reader of DATA return
 * it, it crosses the wall, and one table gives its reply and its word in the log.
 */
#ifndef MAILSLOT_VERDICT_H
#define MAILSLOT_VERDICT_H

#include "reply.h"

#include <stdbool.h>
#include <stdint.h>

enum verdict {
    VERDICT_OK,        /* accepted: a sender, the size of a message, its delivery, ... */
    VERDICT_USER,      /* a user, perhaps by user+detail */
    VERDICT_ALIAS,     /* an alias */
    VERDICT_CATCH_ALL, /* nobody by that name, but the domain accepts any */
    /* AUTH */
    VERDICT_CHALLENGE, /* the exchange goes on */
    VERDICT_AUTH_FAILED,
    VERDICT_AUTH_FAILED_LAST, /* the last one allowed: the session ends */
    VERDICT_AUTH_MALFORMED,   /* not what the mechanism demands */
    VERDICT_AUTH_UNAVAILABLE, /* it cannot be checked now */
    /* MAIL */
    VERDICT_NOT_YOURS, /* a sender address that the user who is logged in may not use */
    VERDICT_NO_NAME,   /* a client of the role local whose user id has no name */
    /* RCPT and VRFY; if several domains differ, the first in this order counts */
    VERDICT_DISABLED,  /* a user who receives nothing */
    VERDICT_UNKNOWN,   /* a local domain, but no such name in it */
    VERDICT_FOREIGN,   /* not one of our domains */
    VERDICT_AMBIGUOUS, /* VRFY: a local part that several domains have */
    VERDICT_TOO_MANY,  /* more recipients or mailboxes than one transaction may have */
    /* the message: of these the front itself finds those up to VERDICT_HOPS in its text */
    VERDICT_BARE_NEWLINE,
    VERDICT_TOO_LARGE,
    VERDICT_HOPS, /* too many Received fields */
    VERDICT_LOOP, /* it has been in this mailbox before */
    /* failures that may be temporary */
    VERDICT_OVER_QUOTA, /* the mailbox is full */
    VERDICT_NO_SPACE,   /* the disk is full */
    VERDICT_LOCKED,     /* another program holds the mailbox */
    VERDICT_MAILBOX,    /* it is not a file that may be written */
    VERDICT_DATABASE,   /* the database cannot answer */
    VERDICT_FAILED,     /* any other error of the system */
    /* what other servers say */
    VERDICT_HOP_REFUSED,     /* 5xx; its own reply is in WALL_SAID */
    VERDICT_HOP_UNKNOWN,     /* 550 5.1.x of a store, likewise */
    VERDICT_HOP_DEFERRED,    /* 4xx, likewise */
    VERDICT_MILTER_REFUSED,  /* by a filter: 5xx, likewise; WALL_SAID has its lines */
    VERDICT_MILTER_DEFERRED, /* 4xx */
    VERDICT_MILTER_CLOSING,  /* 421: the front closes the session */
    VERDICT_HOP_UNAVAILABLE, /* it cannot be asked now */
    VERDICT_HOP_LOOP,        /* the client is a hand of ours */
    VERDICT_HOP_8BITMIME,    /* the message needs an extension that it does not offer */
    VERDICT_HOP_SMTPUTF8,
    VERDICT_HOP_REQUIRETLS,
    VERDICT_RELAY_LIMIT, /* nothing: the user has sent too much elsewhere */
    /* filters */
    VERDICT_MILTER_UNAVAILABLE,  /* one cannot be asked now (`milter-failure = defer`) */
    VERDICT_QUARANTINE_REFUSED,  /* one wants the message in quarantine */
    VERDICT_QUARANTINE_DEFERRED, /* likewise */
    VERDICT_HEADER_TOO_LARGE,    /* for filters to look at it */
    VERDICT_COUNT
};

/* The most addresses that VRFY lists for an ambiguous name. */
enum { VERDICT_NAMES_MAX = 4 };

/* Does it neither refuse nor defer? */
bool verdict_accepts(uint32_t verdict);

/* The reply to the client: `accepted`, unless the verdict refuses or defers. A number that is
 * not a verdict counts as VERDICT_FAILED. */
enum reply verdict_reply(uint32_t verdict, enum reply accepted);

/* Its word in the log; NULL if it has none, because the event says more. */
const char *verdict_word(enum verdict verdict);

/* Does the reply come from another server or a filter, in WALL_SAID? */
bool verdict_is_said(uint32_t verdict);

/* Is it what a filter says itself? Then it was logged, and milter_outcome.h has the text. */
bool verdict_is_of_milter(uint32_t verdict);

/* Can the front find it in a message's text? */
bool verdict_is_of_text(uint32_t verdict);

#endif
