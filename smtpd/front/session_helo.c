#include "session_helo.h"

#include "../wall/sasl.h"
#include "parameters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The name in HELO is only text for the trace: RFC 5321 4.1.4 forbids refusing mail for a name that
 * does not fit the client. Printers and Windows machines send names with blanks, tabs or 8-bit
 * bytes: each becomes a `_`. A name that is too long for a domain is cut. */
static void take_name(struct session *session, struct slice name)
{
    size_t len = name.len < sizeof session->helo ? name.len : sizeof session->helo;

    for (size_t i = 0; i < len; i++) {
        char c = name.at[i];
        session->helo[i] = c <= ' ' || c > '~' ? '_' : c;
    }
    session->helo_len = (uint16_t)len;
}

static bool greet(struct session *session, struct slice name, bool extended, struct step *step)
{
    if (name.len == 0) {
        session_reply(session, step, REPLY_SYNTAX);
        return false;
    }
    take_name(session, name);
    session_abandon(session, step);
    session->state = SESSION_READY;
    session->extended = extended;
    return true;
}

void session_helo(struct session *session, struct slice name, struct step *step)
{
    if (greet(session, name, false, step))
        step_reply(step, REPLY_HELO, session->settings->session.hostname);
}

/* RFC 9422. No message reaches more mailboxes than WALL_RESULTS_MAX. */
static void write_limits(const struct session *session, char *to, size_t size)
{
    uint64_t recipients = session->settings->session.max_recipients;
    int len = snprintf(to, size, "LIMITS RCPTMAX=%" PRIu64,
                       recipients < WALL_RESULTS_MAX ? recipients : WALL_RESULTS_MAX);

    if (session->settings->session.max_messages > 0)
        snprintf(to + len, size - (size_t)len, " MAILMAX=%" PRIu64,
                 session->settings->session.max_messages);
}

static void reply_ehlo(const struct session *session, struct step *step)
{
    const struct wall_settings *settings = session->settings;
    char size[32], limits[72], auth[8 + SASL_NAMES_MAX] = "AUTH";
    char user[8 + WALL_LOCAL_USER_MAX];

    snprintf(size, sizeof size, "SIZE %" PRIu64, settings->session.max_message_size);
    write_limits(session, limits, sizeof limits);
    step_line(step, REPLY_HELO, settings->session.hostname, false);
    step_line(step, REPLY_HELO, size, false);
    step_line(step, REPLY_HELO, "PIPELINING", false);
    step_line(step, REPLY_HELO, "8BITMIME", false);
    step_line(step, REPLY_HELO, "CHUNKING", false);
    step_line(step, REPLY_HELO, "SMTPUTF8", false);
    step_line(step, REPLY_HELO, "ENHANCEDSTATUSCODES", false);
    step_line(step, REPLY_HELO, limits, false);
    if (parameters_offer("REQUIRETLS", settings))
        step_line(step, REPLY_HELO, "REQUIRETLS", false);
    if (settings->starttls)
        step_line(step, REPLY_HELO, "STARTTLS", false);
    if (session->mechanisms != 0) {
        sasl_names(session->mechanisms, auth + strlen(auth));
        step_line(step, REPLY_HELO, auth, false);
    }
    if (parameters_offer("PRDR", settings))
        step_line(step, REPLY_HELO, "PRDR", false);
    if (settings->local_user[0] != '\0') {
        snprintf(user, sizeof user, "XLOCAL %s", settings->local_user);
        step_line(step, REPLY_HELO, user, false);
    }
    if (settings->session.vrfy)
        step_line(step, REPLY_HELO, "VRFY", false);
    step_line(step, REPLY_HELO, "HELP", true);
}

void session_ehlo(struct session *session, struct slice name, struct step *step)
{
    if (greet(session, name, true, step))
        reply_ehlo(session, step);
}

enum reply session_may_starttls(const struct session *session)
{
    const struct wall_settings *settings = session->settings;

    if (settings->secure)
        return REPLY_TLS_ALREADY;
    if (settings->starttls)
        return REPLY_OK;
    return settings->broken ? REPLY_TLS_UNAVAILABLE : REPLY_NOT_IMPLEMENTED;
}

void session_starttls(struct session *session, struct slice argument, struct step *step)
{
    (void)argument;
    step_ask(step, WALL_STARTTLS);
    step->message->errors = (uint32_t)session->errors;
}

void session_starttls_answer(struct session *session, const struct wall_message *answer,
                             struct step *step)
{
    if (answer->ready == 1)
        step_close(step, END_HANDED_OVER);
    else
        session_reply(session, step, REPLY_TLS_UNAVAILABLE);
}
