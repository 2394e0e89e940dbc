/*
 * decoy: what the record `auth` of mailslot.cdb(5) holds, so that the server answers for users who
 * do not exist as it does for those who do: the same, every time, and as slowly.
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
 * Makes it for these users, from the database at path if there is one that is safe and whole: what
 * can stay the same does, because a change would tell real users, who do not change, from the
 * others.
 * 0, or -1 with errno.
 */
int decoy_make(struct decoy *decoy, const struct source *source, const char *path);

#endif
