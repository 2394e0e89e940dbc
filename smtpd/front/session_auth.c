#include "session_auth.h"

#include "../base/base64.h"
#include "../wall/sasl.h"

enum reply session_may_auth(const struct session *session)
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
    if (session->state > SESSION_READY)
        return REPLY_AUTH_IN_TRANSACTION;
    if (settings->tls_due && !settings->secure)
        return REPLY_AUTH_NEEDS_TLS;
    return REPLY_OK;
}

/* Decodes a response into a message for the back. False: it is not base64. */
static bool decode(struct slice response, struct wall_sasl *sasl)
{
    ptrdiff_t len = base64_decode(response, sasl->data, sizeof sasl->data);

    sasl->len = len < 0 ? 0 : (uint32_t)len;
    return len >= 0;
}

/* Takes the argument apart, into a message for the back. Some clients send more than one blank
 * before the response. */
static enum reply parse(const struct session *session, struct slice argument,
                        struct wall_sasl *sasl)
{
    struct slice name = slice_until(argument, ' ');
    struct slice response = slice_trim_spaces(slice_from(argument, name.len));
    uint32_t mechanism = sasl_mechanism(name);

    if (name.len == 0)
        return REPLY_SYNTAX;
    if ((mechanism & session->mechanisms) == 0)
        return REPLY_NO_SUCH_MECHANISM;
    sasl->mechanism = mechanism;
    sasl->has_response = response.len > 0;
    if (slice_is(response, "=")) /* an empty one */
        response.len = 0;
    return decode(response, sasl) ? REPLY_OK : REPLY_BAD_BASE64;
}

void session_auth(struct session *session, struct slice argument, struct step *step)
{
    enum reply reply = parse(session, argument, &step->message->sasl);

    if (reply == REPLY_OK)
        step_ask(step, WALL_AUTH);
    else
        session_reply(session, step, reply);
}

void session_auth_response(struct session *session, struct slice response, struct step *step)
{
    struct wall_sasl *sasl = &step->message->sasl;

    response = slice_trim_spaces(response);
    step->secret = true;
    session->in_auth = false;
    if (decode(response, sasl)) {
        sasl->mechanism = sasl->has_response = 0;
        step_ask(step, WALL_RESPONSE);
    } else {
        step_send(step, WALL_CANCEL);
        session_reply(session, step,
                      slice_is(response, "*") ? REPLY_AUTH_CANCELLED : REPLY_BAD_BASE64);
    }
}

void session_auth_answer(struct session *session, const struct wall_message *answer,
                         struct step *step)
{
    const struct wall_challenge *challenge = &answer->challenge;
    char text[BASE64_SIZE(WALL_CHALLENGE_MAX)];

    session->in_auth = challenge->code == VERDICT_CHALLENGE;
    session->authenticated = verdict_accepts(challenge->code);
    if (session->in_auth) {
        base64_encode(challenge->data, challenge->len, text);
        step_reply(step, REPLY_CHALLENGE, text);
    } else if (challenge->code == VERDICT_AUTH_FAILED_LAST) {
        step_close(step, END_AUTH);
    } else {
        session_reply(session, step, verdict_reply(challenge->code, REPLY_AUTHENTICATED));
    }
}
