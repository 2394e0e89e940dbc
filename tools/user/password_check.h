/*
 * password_check: which passwords are too easily guessed. No dictionary: what every guesser tries
 * first, and what may not be in a password at all.
 */
#ifndef MAILSLOT_PASSWORD_CHECK_H
#define MAILSLOT_PASSWORD_CHECK_H

#include "../../smtpd/database/credential.h"

enum {
    PASSWORD_MIN = 8,                       /* characters */
    PASSWORD_MAX = CREDENTIAL_PASSWORD_MAX, /* bytes */
    PASSWORD_DIFFERENT_MIN = 5,
    PASSWORD_BESIDES_RUN_MIN = 5, /* characters besides the longest run in it */
    PASSWORD_NAME_MIN = 4,        /* of a local part that may not be in it */
};

/* Why is this not a good password for the address (a key, address.h)? NULL: it is one; else a
 * static string. Pure. */
const char *password_check(struct slice password, struct slice address);

#endif
