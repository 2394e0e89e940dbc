/*
 * password_check: refuses passwords that are easily guessed, or that clients cannot send. It has no
 * dictionary, only what every attacker tries first.
 */
#ifndef MAILSLOT_PASSWORD_CHECK_H
#define MAILSLOT_PASSWORD_CHECK_H

#include "../../smtpd/base/slice.h"
#include "../../smtpd/database/credential.h"

enum {
    PASSWORD_MIN = 8,                       /* characters */
    PASSWORD_MAX = CREDENTIAL_PASSWORD_MAX, /* bytes */
    PASSWORD_DIFFERENT_MIN = 5,
    PASSWORD_BESIDES_RUN_MIN = 5, /* characters besides the longest run in it */
    PASSWORD_NAME_MIN = 4,        /* the password may contain a shorter local part */
};

/* NULL if this is a good password for the address (a key, address.h), or what is wrong, as a static
 * string. Pure. */
const char *password_check(struct slice password, struct slice address);

#endif
