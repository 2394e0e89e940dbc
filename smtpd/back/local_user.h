/*
 * local_user: the client of the role local: a program of this host, known by the credentials of its
 * UNIX-domain socket (SO_PEERCRED), which no client can forge.
 *
 * It is logged in as its system user at the first domain, whether or not there is such a user in
 * the database. root and the users of `local-submission` may send from any address.
 */
#ifndef MAILSLOT_BACK_LOCAL_USER_H
#define MAILSLOT_BACK_LOCAL_USER_H

#include "../database/settings.h"
#include "../wall/verdict.h"
#include "auth.h"

#include <sys/types.h>

enum { LOCAL_USER_NAME_MAX = ADDRESS_LOCAL_MAX };

struct local_user {
    /* VERDICT_OK, or why nothing can be sent: VERDICT_NO_NAME, VERDICT_FAILED (the name cannot be
     * looked up), VERDICT_DATABASE */
    enum verdict verdict;
    bool anybody; /* it may send from any address */
    uid_t uid;
    char name[LOCAL_USER_NAME_MAX + 1]; /* NUL-terminated; empty unless VERDICT_OK */
};

/* There is no client: nobody can send. */
#define LOCAL_USER_NONE ((struct local_user){.verdict = VERDICT_NO_NAME, .uid = (uid_t)-1})

/* Identifies the client of the socket fd. The system's user database may load libraries and connect
 * to a directory service, so call this before the confinement. 0, or -1 with
 * errno: fd is not a connected UNIX-domain socket. */
int local_user_find(struct local_user *user, int fd);

/* Logs the user in, once the settings are known. */
void local_user_enter(struct local_user *user, const struct settings *settings, struct auth *auth);

#endif
