#include "session.h"

#include "../wall/sasl.h"
#include "command.h"
#include "session_auth.h"
#include "session_mail.h"
#include "session_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void session_ask(struct session *session, struct session_step *step, enum wall_type type,
                 enum session_asked asked)
{
    step_send(step, type);
    step->wait = true;
    session->asked = asked;
}

enum reply session_need_greeting(const struct session *session)
{
    return session->settings->lmtp ? REPLY_NEED_LHLO : REPLY_NEED_HELO;
}

void session_begin(struct session *session, const struct wall_settings *settings,
                   struct session_step *step)
{
    *session = (struct session){.settings = settings, .mechanisms = settings->mechanisms};
    step_clear(step);
    if (settings->refuse)
        step_close(step, END_UNSAFE);
    else if (settings->greet)
        step_reply_with(step, settings->lmtp ? REPLY_GREETING_LMTP : REPLY_GREETING,
                        settings->session.hostname);
}

uint64_t session_max_recipients(const struct session *session)
{
    uint64_t max = session->settings->session.max_recipients;

    bool each = session->settings->lmtp || session->transaction.prdr;

    return each && max > WALL_RESULTS_MAX ? WALL_RESULTS_MAX : max;
}

/* RFC 9422. More mailboxes than WALL_RESULTS_MAX no message reaches. */
static void write_limits(const struct session *session, char *to, size_t size)
{
    uint64_t recipients = session->settings->session.max_recipients;
    int len = snprintf(to, size, "LIMITS RCPTMAX=%" PRIu64,
                       recipients < WALL_RESULTS_MAX ? recipients : WALL_RESULTS_MAX);

    if (session->settings->session.max_messages > 0)
        snprintf(to + len, size - (size_t)len, " MAILMAX=%" PRIu64,
                 session->settings->session.max_messages);
}

static void reply_ehlo(const struct session *session, struct session_step *step)
{
    const struct wall_settings *settings = session->settings;
    char size[32], limits[72], auth[8 + SASL_NAMES_MAX] = "AUTH";

    snprintf(size, sizeof size, "SIZE %" PRIu64, settings->session.max_message_size);
    write_limits(session, limits, sizeof limits);
    step_line(step, "250", settings->session.hostname, false);
    step_line(step, "250", size, false);
    step_line(step, "250", "PIPELINING", false);
    step_line(step, "250", "8BITMIME", false);
    step_line(step, "250", "CHUNKING", false);
    step_line(step, "250", "SMTPUTF8", false);
    step_line(step, "250", "ENHANCEDSTATUSCODES", false);
    step_line(step, "250", limits, false);
    if (settings->secure)
        step_line(step, "250", "REQUIRETLS", false);
    if (settings->starttls)
        step_line(step, "250", "STARTTLS", false);
    if (session->mechanisms != 0) {
        sasl_names(session->mechanisms, auth + strlen(auth));
        step_line(step, "250", auth, false);
    }
    if (!settings->lmtp)
        step_line(step, "250", "PRDR", false);
    if (settings->session.vrfy)
        step_line(step, "250", "VRFY", false);
    step_line(step, "250", "HELP", true);
}

/* Is this a command of this server, in this role and configuration? */
static bool has_command(const struct session *session, enum command_verb verb)
{
    const struct wall_settings *settings = session->settings;

    switch (verb) {
    case COMMAND_HELO:
    case COMMAND_EHLO:
        return !settings->lmtp;
    case COMMAND_LHLO:
        return settings->lmtp;
    case COMMAND_STARTTLS:
        return settings->starttls || settings->secure;
    case COMMAND_AUTH:
        return settings->auth;
    default:
        return command_syntax(verb) != NULL;
    }
}

/* The name in HELO is only text for the trace: RFC 5321 4.1.4 forbids refusing mail for a name that
 * does not fit the client. Printers and Windows machines send names with blanks, tabs or 8-bit
 * bytes: each becomes a `_`. A name that is too long for a domain is cut. */
static bool take_name(struct session *session, const struct command *command)
{
    size_t len = command->argument_len;

    if (len == 0)
        return false;
    if (len > sizeof session->helo)
        len = sizeof session->helo;
    for (size_t i = 0; i < len; i++) {
        char c = command->argument[i];
        session->helo[i] = c <= ' ' || c > '~' ? '_' : c;
    }
    session->helo_len = (uint16_t)len;
    return true;
}

static void do_helo(struct session *session, const struct command *command,
                    struct session_step *step)
{
    bool lmtp = session->settings->lmtp;

    if (!has_command(session, command->verb)) { /* RFC 2033 section 4.1 */
        session_refuse(session, step, lmtp ? REPLY_UNKNOWN_COMMAND : REPLY_NOT_IMPLEMENTED);
        return;
    }
    if (!take_name(session, command)) {
        session_refuse(session, step, REPLY_HELO_NAME);
        return;
    }
    session_mail_abandon(session, step);
    session->greeted = true;
    session->extended = command->verb != COMMAND_HELO;
    if (session->extended)
        reply_ehlo(session, step);
    else
        step_reply_with(step, REPLY_HELO, session->settings->session.hostname);
}

static void do_starttls(struct session *session, struct session_step *step)
{
    if (session->settings->secure || !session->settings->starttls) {
        session_refuse(session, step,
                       session->settings->secure   ? REPLY_TLS_ALREADY
                       : session->settings->broken ? REPLY_TLS_UNAVAILABLE
                                                   : REPLY_NOT_IMPLEMENTED);
        return;
    }
    session_ask(session, step, WALL_STARTTLS, SESSION_ASKED_STARTTLS);
    step->message->errors = (uint32_t)session->errors;
}

static void list_commands(const struct session *session, struct session_step *step)
{
    char text[128];
    int len = snprintf(text, sizeof text, "2.0.0 Commands:");

    for (enum command_verb verb = COMMAND_HELO; verb <= COMMAND_QUIT; verb++) {
        const char *syntax = command_syntax(verb); /* its first word is the verb */
        if (has_command(session, verb))
            len += snprintf(text + len, sizeof text - (size_t)len, " %.*s",
                            (int)strcspn(syntax, " ,"), syntax);
    }
    step_line(step, "214", text, false);
    step_line(step, "214", "2.0.0 HELP and a command's name tells its syntax", true);
}

static void do_help(struct session *session, const struct command *command,
                    struct session_step *step)
{
    struct command topic = command_parse(command->argument, command->argument_len);
    char text[128];

    if (command->argument_len == 0) {
        list_commands(session, step);
    } else if (has_command(session, topic.verb)) {
        snprintf(text, sizeof text, "2.0.0 %s", command_syntax(topic.verb));
        step_line(step, "214", text, true);
    } else {
        session_refuse(session, step, REPLY_NO_SUCH_TOPIC);
    }
}

static bool takes_no_argument(enum command_verb verb)
{
    return verb == COMMAND_STARTTLS || verb == COMMAND_DATA || verb == COMMAND_RSET ||
           verb == COMMAND_QUIT;
}

/* Each of these costs something, and brings no message nearer. */
static bool is_idle(enum command_verb verb)
{
    return verb == COMMAND_HELO || verb == COMMAND_EHLO || verb == COMMAND_LHLO ||
           verb == COMMAND_RSET || verb == COMMAND_NOOP || verb == COMMAND_VRFY ||
           verb == COMMAND_HELP;
}

static void do_command(struct session *session, const struct command *command,
                       struct session_step *step)
{
    switch (command->verb) {
    case COMMAND_HELO:
    case COMMAND_EHLO:
    case COMMAND_LHLO:
        return do_helo(session, command, step);
    case COMMAND_STARTTLS:
        return do_starttls(session, step);
    case COMMAND_AUTH:
        return session_auth(session, command, step);
    case COMMAND_MAIL:
        return session_mail(session, command, step);
    case COMMAND_RCPT:
        return session_rcpt(session, command, step);
    case COMMAND_DATA:
        return session_data(session, step);
    case COMMAND_BDAT:
        return session_bdat(session, command, step);
    case COMMAND_VRFY:
        return session_vrfy(session, command, step);
    case COMMAND_HELP:
        return do_help(session, command, step);
    case COMMAND_RSET:
        session_mail_abandon(session, step);
        return step_reply_with(step, REPLY_OK, NULL);
    case COMMAND_NOOP:
        return step_reply_with(step, REPLY_OK, NULL);
    case COMMAND_QUIT:
        return step_close(step, END_QUIT);
    case COMMAND_HTTP:
        return step_close(step, END_HTTP);
    case COMMAND_ELSEWHERE:
        return session_refuse(session, step, REPLY_NOT_IMPLEMENTED);
    case COMMAND_UNKNOWN:
        return session_refuse(session, step, REPLY_UNKNOWN_COMMAND);
    }
}

void session_line(struct session *session, const char *line, size_t len, struct session_step *step)
{
    session->line = line;
    session->line_len = len;
    session->bad_line = false;
    if (session->in_auth) {
        session_auth_response(session, line, len, step);
        return;
    }
    struct command command = command_parse(line, len);
    session_note_auth(session, line, len);
    session->forgiven =
        session->settings->lmtp && (command.verb == COMMAND_MAIL || command.verb == COMMAND_RCPT ||
                                    command.verb == COMMAND_DATA || command.verb == COMMAND_BDAT);
    step_clear(step);
    if (session->idle >= session->settings->session.max_idle && command.verb != COMMAND_QUIT) {
        step_close(step, END_NO_MESSAGE);
        return;
    }
    if (is_idle(command.verb))
        session_count_idle(session, 1);
    if (takes_no_argument(command.verb) && command.argument_len > 0)
        session_refuse(session, step, REPLY_NO_PARAMETERS);
    else
        do_command(session, &command, step);
}

void session_bad_line(struct session *session, enum reply reply, const char *line, size_t len,
                      struct session_step *step)
{
    step_clear(step);
    session->line = line;
    session->line_len = len;
    session->bad_line = true;
    session->forgiven = false;
    step->secret = true; /* there may be a password in it */
    if (!session->in_auth)
        session_note_auth(session, line, len);
    if (session->in_auth) {
        step_send(step, WALL_CANCEL);
        if (reply == REPLY_LINE_TOO_LONG)
            reply = REPLY_RESPONSE_TOO_LONG;
    } else if (command_parse(line, len).verb == COMMAND_BDAT) { /* a chunk follows all the same */
        step_close(step, END_CHUNK);
        return;
    }
    session->in_auth = false;
    session_refuse(session, step, reply);
}

void session_unexpected_tls(struct session *session, struct session_step *step)
{
    static const char name[] = "ClientHello";

    step_clear(step);
    if (session->in_auth)
        step_send(step, WALL_CANCEL);
    session->line = name;
    session->line_len = strlen(name);
    session->bad_line = session->forgiven = session->after_auth = false;
    session_refuse(session, step, REPLY_CLOSING_TLS);
    step_close(step, END_TLS);
}

static void answer_starttls(struct session *session, bool ready, struct session_step *step)
{
    if (ready)
        step_close(step, END_HANDED_OVER);
    else
        session_refuse(session, step, REPLY_TLS_UNAVAILABLE);
}

void session_answer(struct session *session, const struct wall_message *answer,
                    struct session_step *step)
{
    static const uint32_t due[] = {
        [SESSION_ASKED_NOTHING] = WALL_TYPES,  [SESSION_ASKED_STARTTLS] = WALL_READY,
        [SESSION_ASKED_AUTH] = WALL_CHALLENGE, [SESSION_ASKED_VRFY] = WALL_VERDICT,
        [SESSION_ASKED_MAIL] = WALL_VERDICT,   [SESSION_ASKED_RCPT] = WALL_VERDICT,
        [SESSION_ASKED_COMMIT] = WALL_RESULT,
    };

    step_clear(step);
    session->line = NULL;
    if (answer->type != due[session->asked])
        step_close(step, END_FAULT);
    else if (session->asked == SESSION_ASKED_STARTTLS)
        answer_starttls(session, answer->ready == 1, step);
    else if (session->asked == SESSION_ASKED_AUTH)
        session_auth_answer(session, &answer->challenge, step);
    else if (session->asked == SESSION_ASKED_COMMIT)
        session_text_answer(session, &answer->result, step);
    else
        session_mail_answer(session, answer, step);
    session->asked = SESSION_ASKED_NOTHING;
}

void session_end(enum end end, struct session_step *step)
{
    step_clear(step);
    step_close(step, end);
}
