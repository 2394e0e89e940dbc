#include "session_auth.h"

#include "../base/base64.h"
#include "../base/slice.h"
#include "../wall/sasl.h"

#include <string.h>

static enum reply check(const struct session *session)
{
    const struct wall_settings *settings = session->settings;

    if (settings->broken)
        return REPLY_AUTH_UNAVAILABLE;
    if (!settings->auth)
        return REPLY_NOT_IMPLEMENTED;
    if (!session->extended)
        return REPLY_NEED_EHLO;
    if (session->authenticated)
        return REPLY_AUTHENTICATED_ALREADY;
    if (session->transaction.open)
        return REPLY_AUTH_IN_TRANSACTION;
    if (settings->tls_due && !settings->secure)
        return REPLY_AUTH_NEEDS_TLS;
    return REPLY_OK;
}

/* Some clients send more than one blank before a response, or one after it. */
static struct slice trim(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    while (at < end && end[-1] == ' ')
        end--;
    return (struct slice){at, (size_t)(end - at)};
}

/* Takes the argument apart, into a message for the back. */
static enum reply parse(const struct session *session, const struct command *command,
                        struct wall_sasl *sasl)
{
    const char *at = command->argument, *end = at + command->argument_len;
    const char *space = memchr(at, ' ', command->argument_len);
    size_t name_len = (size_t)((space == NULL ? end : space) - at);
    uint32_t mechanism = sasl_mechanism(at, name_len);

    if (name_len == 0)
        return REPLY_AUTH_SYNTAX;
    if ((mechanism & session->mechanisms) == 0)
        return REPLY_NO_SUCH_MECHANISM;
    sasl->mechanism = mechanism;
    sasl->has_response = space != NULL;
    sasl->len = 0;
    struct slice response = trim(at + name_len, end);
    if (slice_is(response, "") || slice_is(response, "=")) /* the latter: an empty response */
        return REPLY_OK;
    ptrdiff_t len = base64_decode(response.at, response.len, sasl->data, sizeof sasl->data);
    sasl->len = len < 0 ? 0 : (uint32_t)len;
    return len < 0 ? REPLY_BAD_BASE64 : REPLY_OK;
}

void session_auth(struct session *session, const struct command *command, struct session_step *step)
{
    enum reply reply = check(session);

    step->secret = true;
    if (reply == REPLY_OK)
        reply = parse(session, command, &step->message->sasl);
    if (reply == REPLY_OK)
        session_ask(session, step, WALL_AUTH, SESSION_ASKED_AUTH);
    else
        session_refuse(session, step, reply);
}

void session_auth_response(struct session *session, const char *line, size_t len,
                           struct session_step *step)
{
    struct wall_sasl *sasl = &step->message->sasl;
    struct slice response = trim(line, line + len);
    ptrdiff_t got = base64_decode(response.at, response.len, sasl->data, sizeof sasl->data);

    step_clear(step);
    step->secret = true;
    session->in_auth = false;
    if (got < 0) {
        step_send(step, WALL_CANCEL);
        session_refuse(session, step,
                       slice_is(response, "*") ? REPLY_AUTH_CANCELLED : REPLY_BAD_BASE64);
        return;
    }
    sasl->mechanism = sasl->has_response = 0;
    sasl->len = (uint32_t)got;
    session_ask(session, step, WALL_RESPONSE, SESSION_ASKED_AUTH);
}

void session_auth_answer(struct session *session, const struct wall_challenge *challenge,
                         struct session_step *step)
{
    char text[BASE64_SIZE(WALL_CHALLENGE_MAX)];

    session->in_auth = challenge->code == VERDICT_CHALLENGE;
    session->authenticated = verdict_accepts(challenge->code);
    if (session->in_auth) {
        base64_encode(challenge->data, challenge->len, text);
        step_reply_with(step, REPLY_CHALLENGE, text);
    } else if (challenge->code == VERDICT_AUTH_FAILED_LAST) {
        step_close(step, END_AUTH);
    } else {
        session_refuse(session, step, verdict_reply(challenge->code, REPLY_AUTHENTICATED));
    }
}
