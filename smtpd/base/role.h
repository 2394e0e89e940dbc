/*
 * role: what a port is for (mailslot-smtpd -r).
 */
#ifndef MAILSLOT_ROLE_H
#define MAILSLOT_ROLE_H

#include <stdbool.h>

enum role {
    ROLE_SMTP,        /* mail for local users; AUTH is offered, not required */
    ROLE_MX,          /* mail from other servers; never AUTH */
    ROLE_SUBMISSION,  /* RFC 6409: TLS, then AUTH, before MAIL */
    ROLE_SUBMISSIONS, /* RFC 8314: the same, TLS from the first byte */
    ROLE_LMTP,        /* RFC 2033: mail from a mail system that has a queue; never AUTH */
    ROLE_LOCAL,       /* from users of this host, known by their UNIX-domain socket; never AUTH */
    ROLES
};

/* ROLES if there is no such role. */
enum role role_parse(const char *name);

/* May users log in? */
bool role_has_auth(enum role role);

/* Must clients log in before they may send? */
bool role_needs_auth(enum role role);

/* Is the client a user's program, and not another server? */
bool role_is_submission(enum role role);

const char *role_name(enum role role);

#endif
