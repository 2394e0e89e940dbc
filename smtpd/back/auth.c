#include "auth.h"

#include "../base/base64.h"
#include "../wall/sasl.h"
#include "auth_turn.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

uint32_t auth_mechanisms(const struct auth_context *context)
{
    const struct secured *tls = context->tls;
    uint32_t offered = 0;

    if (!context->settings->auth || (!tls->on && !context->settings->auth_without_tls))
        return 0;
    offered = WALL_PLAIN | WALL_LOGIN;
    if (credential_has_scram(context->db))
        offered |= WALL_SCRAM;
    if ((offered & WALL_SCRAM) && tls->on)
        offered |= WALL_SCRAM_PLUS;
    if (tls->client_user_len > 0)
        offered |= WALL_EXTERNAL;
    return offered;
}

struct slice auth_user(const struct auth *auth)
{
    return (struct slice){auth->user, auth->user_len};
}

/* The key of the user that the exchange is about. */
static struct slice key_of(const struct auth *auth)
{
    return (struct slice){auth->key, auth->key_len};
}

static void forget(struct auth *auth)
{
    explicit_bzero(&auth->credential, sizeof auth->credential);
    explicit_bzero(&auth->scram, sizeof auth->scram);
    auth->stage = AUTH_NONE;
}

void auth_reset(struct auth *auth)
{
    if (auth->stage != AUTH_NONE)
        forget(auth);
    auth->name[0] = '\0';
    auth->key_len = auth->user_len = 0;
}

void auth_enter(struct auth *auth, struct slice key)
{
    memcpy(auth->user, key.at, key.len);
    auth->user_len = key.len;
}

static enum verdict enter(struct auth *auth)
{
    auth_enter(auth, key_of(auth));
    return VERDICT_OK;
}

/* The client now knows that its password is right, whether or not it goes on. */
static void log_proof(const struct auth *auth)
{
    log_event(EVENT_AUTHENTICATED, "user", auth->name, "mechanism", sasl_name(auth->mechanism),
              NULL);
}

static enum verdict succeed(struct auth *auth)
{
    log_proof(auth);
    return enter(auth);
}

/* Each failure is answered later than the one before. fail2ban looks for this line of the log. */
static enum verdict fail(struct auth *auth)
{
    long ms = (long)AUTH_DELAY_MS << auth->failures++;
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};

    log_event(EVENT_AUTH_FAILED, "user", auth->name, "mechanism", sasl_name(auth->mechanism), NULL);
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    return auth->failures < AUTH_FAILURES_MAX ? VERDICT_AUTH_FAILED : VERDICT_AUTH_FAILED_LAST;
}

static enum verdict unavailable(const char *what)
{
    log_event(EVENT_AUTH_UNAVAILABLE, "what", what, NULL);
    return VERDICT_AUTH_UNAVAILABLE;
}

static enum verdict challenge(struct auth *auth, enum auth_stage next, const char *text,
                              struct wall_challenge *answer)
{
    auth->stage = next;
    answer->len = (uint32_t)strlen(text);
    memcpy(answer->data, text, answer->len);
    return VERDICT_CHALLENGE;
}

/* Keeps the name of the user. A name that is not an address is nobody's, and gets a made-up
 * credential as any unknown user does: its key begins with a byte that no key begins with. */
static bool take_name(struct auth *auth, const struct auth_context *context, struct slice name)
{
    if (name.len == 0 || name.len >= sizeof auth->name || slice_has(name, '\0'))
        return false;
    *(char *)mempcpy(auth->name, name.at, name.len) = '\0';
    ptrdiff_t key_len = directory_login(context->settings, name, auth->key);
    auth->key_len = key_len < 0 ? name.len + 1 : (size_t)key_len;
    if (key_len < 0) {
        auth->key[0] = '\n';
        memcpy(auth->key + 1, name.at, name.len);
    }
    return true;
}

/* May this user act as the other one? Only if both names are its own. */
static bool is_same_user(const struct auth *auth, const struct auth_context *context,
                         struct slice identity)
{
    char key[ADDRESS_KEY_MAX];

    if (identity.len == 0)
        return true;
    ptrdiff_t len = directory_login(context->settings, identity, key);
    return len >= 0 && slice_equal((struct slice){key, (size_t)len}, key_of(auth));
}

static enum verdict check_password(struct auth *auth, const struct auth_context *context,
                                   struct slice password, bool may_act)
{
    if (password.len == 0 || slice_has(password, '\0'))
        return VERDICT_AUTH_MALFORMED;
    if (credential_find(context->db, key_of(auth), &auth->credential) != 0)
        return unavailable("database");
    if (auth->credential.too_costly)
        return unavailable(
            "the hash of this user would take too long to check: run mailslot-build");
    int turn = auth_turn_take(context->settings, context->peer);
    if (turn == AUTH_TURN_NONE)
        return unavailable("too many passwords are being checked");
    int fits = credential_check(&auth->credential, password);
    auth_turn_end(turn);
    if (fits < 0)
        return unavailable("a library is missing or out of memory");
    return fits == 1 && may_act ? succeed(auth) : fail(auth);
}

static struct slice data_of(const struct wall_sasl *asked)
{
    return (struct slice){asked->data, asked->len};
}

/* [identity] NUL name NUL password */
static enum verdict plain(struct auth *auth, const struct auth_context *context,
                          const struct wall_sasl *asked)
{
    struct slice rest = data_of(asked), identity = slice_cut(&rest, '\0');

    if (!slice_has(rest, '\0') || !take_name(auth, context, slice_cut(&rest, '\0')))
        return VERDICT_AUTH_MALFORMED;
    return check_password(auth, context, rest, is_same_user(auth, context, identity));
}

static enum verdict scram_begin(struct auth *auth, const struct auth_context *context,
                                const struct wall_sasl *asked, struct wall_challenge *answer)
{
    char random[SCRAM_NONCE_LEN / 4 * 3], nonce[SCRAM_NONCE_LEN + 1];
    char text[WALL_CHALLENGE_MAX];
    struct scram *scram = &auth->scram;

    while (getrandom(random, sizeof random, 0) != sizeof random)
        ;
    base64_encode(random, sizeof random, nonce);
    scram->plus = auth->mechanism == WALL_SCRAM_PLUS;
    scram->offered_plus = (auth->offered & WALL_SCRAM_PLUS) != 0;
    enum scram_result result = scram_first(scram, data_of(asked), nonce);
    if (result == SCRAM_REFUSED)
        return fail(auth);
    if (result != SCRAM_GOOD ||
        !take_name(auth, context, (struct slice){scram->name, scram->name_len}))
        return VERDICT_AUTH_MALFORMED;
    if (credential_find(context->db, key_of(auth), &auth->credential) != 0)
        return unavailable("database");
    scram_challenge(scram, &auth->credential, text);
    return challenge(auth, AUTH_SCRAM_FINAL, text, answer);
}

/* The bindings of the kind that the client uses. */
static const struct wall_binding *find_bindings(const struct auth *auth, const struct secured *tls,
                                                size_t *count)
{
    const char *kind = auth->scram.binding;
    bool unique = strcmp(kind, "tls-unique") == 0;

    *count = tls->on;
    if (unique || strcmp(kind, "tls-exporter") == 0)
        return unique ? &tls->facts.unique : &tls->facts.exporter;
    *count = tls->on && strcmp(kind, "tls-server-end-point") == 0 ? tls->end_points_len : 0;
    return tls->end_points;
}

static enum verdict scram_end(struct auth *auth, const struct auth_context *context,
                              const struct wall_sasl *asked, struct wall_challenge *answer)
{
    struct scram *scram = &auth->scram;
    char text[WALL_CHALLENGE_MAX];
    size_t count;
    const struct wall_binding *bindings = find_bindings(auth, context->tls, &count);
    enum scram_result result =
        scram_final(scram, data_of(asked), &auth->credential, bindings, count, text);

    if (result == SCRAM_MALFORMED)
        return VERDICT_AUTH_MALFORMED;
    if (result != SCRAM_GOOD ||
        !is_same_user(auth, context, (struct slice){scram->identity, scram->identity_len}))
        return fail(auth);
    log_proof(auth);
    return challenge(auth, AUTH_SCRAM_END, text, answer);
}

/* The client is the user that its certificate names. */
static enum verdict external(struct auth *auth, const struct auth_context *context,
                             const struct wall_sasl *asked)
{
    const struct secured *tls = context->tls;

    size_t len = tls->client_user_len;
    if (len == 0 || len >= sizeof auth->name)
        return VERDICT_AUTH_MALFORMED;
    *(char *)mempcpy(auth->name, tls->client_user, len) = '\0';
    memcpy(auth->key, tls->client_user, len);
    auth->key_len = len;
    int exists = credential_exists(context->db, key_of(auth));
    if (exists < 0)
        return unavailable("database");
    bool may_act = is_same_user(auth, context, data_of(asked));
    return exists == 1 && may_act ? succeed(auth) : fail(auth);
}

static enum verdict step(struct auth *auth, const struct auth_context *context,
                         const struct wall_sasl *asked, struct wall_challenge *answer)
{
    switch (auth->stage) {
    case AUTH_PLAIN:
        return plain(auth, context, asked);
    case AUTH_LOGIN_NAME:
        if (!take_name(auth, context, data_of(asked)))
            return VERDICT_AUTH_MALFORMED;
        return challenge(auth, AUTH_LOGIN_PASSWORD, "Password:", answer);
    case AUTH_LOGIN_PASSWORD:
        return check_password(auth, context, data_of(asked), true);
    case AUTH_SCRAM_FIRST:
        return scram_begin(auth, context, asked, answer);
    case AUTH_SCRAM_FINAL:
        return scram_end(auth, context, asked, answer);
    case AUTH_SCRAM_END: /* the client has verified the server, and has nothing to add */
        return asked->len == 0 ? enter(auth) : VERDICT_AUTH_MALFORMED;
    case AUTH_EXTERNAL:
        return external(auth, context, asked);
    default:
        return VERDICT_AUTH_MALFORMED;
    }
}

bool auth_respond(struct auth *auth, const struct auth_context *context,
                  const struct wall_sasl *asked, struct wall_challenge *answer)
{
    if (auth->stage == AUTH_NONE || asked->len > sizeof asked->data)
        return false;
    answer->len = 0;
    answer->code = step(auth, context, asked, answer);
    if (answer->code != VERDICT_CHALLENGE)
        forget(auth);
    return true;
}

bool auth_begin(struct auth *auth, const struct auth_context *context,
                const struct wall_sasl *asked, struct wall_challenge *answer)
{
    uint32_t mechanism = asked->mechanism;

    if (auth->stage != AUTH_NONE || auth->user_len > 0 || auth->failures >= AUTH_FAILURES_MAX ||
        sasl_name(mechanism) == NULL || (mechanism & auth->offered) == 0)
        return false;
    auth->mechanism = mechanism;
    auth->name[0] = '\0';
    auth->stage = mechanism == WALL_PLAIN      ? AUTH_PLAIN
                  : mechanism == WALL_LOGIN    ? AUTH_LOGIN_NAME
                  : mechanism == WALL_EXTERNAL ? AUTH_EXTERNAL
                                               : AUTH_SCRAM_FIRST;
    if (asked->has_response)
        return auth_respond(auth, context, asked, answer);
    answer->code = challenge(auth, auth->stage, mechanism == WALL_LOGIN ? "Username:" : "", answer);
    return true;
}

void auth_cancel(struct auth *auth)
{
    forget(auth);
}
