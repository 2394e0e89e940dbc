/*
 * role: what a port is for (mailslot-smtpd -r).
 */
#ifndef MAILSLOT_ROLE_H
#define MAILSLOT_ROLE_H

#include <stdbool.h>

enum role {
    ROLE_SMTP,        /* mail for local users; AUTH is offered, not due */
    ROLE_MX,          /* the same from other servers: never AUTH */
    ROLE_SUBMISSION,  /* RFC 6409: TLS, then AUTH, before MAIL */
    ROLE_SUBMISSIONS, /* RFC 8314: the same, TLS from the first byte */
    ROLE_LMTP,        /* RFC 2033: from a mail system that queues, as is done here; never AUTH */
    ROLES
};

/* ROLES if there is no such role. */
enum role role_parse(const char *name);

/* Do users log in there? */
bool role_has_auth(enum role role);

/* Is nobody heard there before AUTH? */
bool role_needs_auth(enum role role);

const char *role_name(enum role role);

#endif
