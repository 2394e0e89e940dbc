/*
 * decoy: the record `auth` of mailslot.cdb(5), with which the server answers for users who do not
 * exist exactly as for those who do: as slowly, and every time the same.
 */
#ifndef MAILSLOT_DECOY_H
#define MAILSLOT_DECOY_H

#include "../../smtpd/base/base64.h"
#include "source.h"

enum { DECOY_SECRET_LEN = 32 };

struct decoy {
    char hash[CRYPT_OUTPUT_SIZE]; /* of the kind and cost that most users' hashes have */
    char iterations[16];          /* that most users' verifiers have */
    char secret[BASE64_SIZE(DECOY_SECRET_LEN)];
    bool scram; /* a user has a verifier */
};

/*
 * Makes it for these users. As much as possible is taken from the database at path, if that is safe
 * and complete, because a change would tell the users who do not exist from the others, whose
 * answers do not change. 0, or -1 with errno.
 */
int decoy_make(struct decoy *decoy, const struct source *source, const char *path);

#endif
