/*
 * auth: authenticates the client: the mechanisms of SASL (RFC 4616, 5802, 7677, 4422 appendix A,
 * and LOGIN), the count of failures, and their log events.
 *
 * An exchange ends by success, failure or cancellation; another one cannot begin before that.
 */
#ifndef MAILSLOT_BACK_AUTH_H
#define MAILSLOT_BACK_AUTH_H

#include "../database/directory.h"
#include "scram.h"
#include "secured.h"

enum {
    AUTH_FAILURES_MAX = 3,
    AUTH_DELAY_MS =
        500, /* until the first failure is answered; twice as long for each further one */
};

/* The key of an address, or one more byte and a name as it was typed, without its NUL. */
enum { AUTH_KEY_MAX = SCRAM_NAME_MAX };
_Static_assert((int)AUTH_KEY_MAX >= (int)ADDRESS_KEY_MAX, "a key has room");

/* One authentication exchange, and its outcome. */
struct auth {
    uint32_t offered; /* mechanisms */
    unsigned failures;
    enum auth_stage {
        AUTH_NONE, /* no exchange */
        AUTH_PLAIN,
        AUTH_LOGIN_NAME,
        AUTH_LOGIN_PASSWORD,
        AUTH_SCRAM_FIRST,
        AUTH_SCRAM_FINAL,
        AUTH_SCRAM_END,
        AUTH_EXTERNAL,
    } stage;
    uint32_t mechanism;
    char name[SCRAM_NAME_MAX]; /* the user, as the client writes it; NUL-terminated */
    char key[AUTH_KEY_MAX];    /* of the user; nobody's if the name is not an address */
    size_t key_len;
    struct credential credential;
    struct scram scram;
    char user[ADDRESS_KEY_MAX]; /* the key of the authenticated user */
    size_t user_len;            /* 0: nobody */
};

/* What an exchange depends on. */
struct auth_context {
    struct database *db;
    const struct settings *settings;
    const struct secured *tls;
    const char *peer;
};

/* Logs the user out and ends any exchange; the failures stay counted. */
void auth_reset(struct auth *auth);

/* Logs in the user with this key, whom other means than AUTH have identified (local_user.h). */
void auth_enter(struct auth *auth, struct slice key);

/* The key of the authenticated user, or an empty slice. */
struct slice auth_user(const struct auth *auth);

/* The mechanisms that are available, with TLS as it is now. */
uint32_t auth_mechanisms(const struct auth_context *context);

/* One step of the exchange: AUTH, or a response to a challenge. Waits before it answers a failure.
 * False: an honest front would not send this now. */
bool auth_begin(struct auth *auth, const struct auth_context *context,
                const struct wall_sasl *asked, struct wall_challenge *answer);
bool auth_respond(struct auth *auth, const struct auth_context *context,
                  const struct wall_sasl *asked, struct wall_challenge *answer);

/* The client gives the exchange up. */
void auth_cancel(struct auth *auth);

#endif
