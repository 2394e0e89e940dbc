#include "session.h"

#include "command.h"
#include "sasl.h"
#include "session_auth.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void session_refuse(struct session *session, struct session_step *step, enum reply reply)
{
    if (reply_class(reply) == 5 && ++session->errors > session->settings->max_errors)
        step_close(step, REPLY_CLOSING_ERRORS, WALL_NOTE_ERRORS);
    else
        step_reply_with(step, reply, NULL);
}

/* HELO, EHLO, RSET, and every end of a message: no transaction, as it was before MAIL. */
static void transaction_reset(struct session *session)
{
    memset(&session->transaction, 0, sizeof session->transaction);
}

static void transaction_abandon(struct session *session, struct session_step *step)
{
    if (session->transaction.open)
        step_send(step, WALL_ABANDON);
    transaction_reset(session);
}

void session_begin(struct session *session, const struct wall_settings *settings,
                   struct session_step *step)
{
    *session = (struct session){.settings = settings, .mechanisms = settings->mechanisms};
    step_clear(step);
    if (settings->refuse)
        step_close(step, REPLY_CLOSING_UNSAFE, WALL_NOTE_QUIT);
    else if (settings->greet)
        step_reply_with(step, REPLY_GREETING, settings->hostname);
}

static void reply_ehlo(const struct session *session, struct session_step *step)
{
    const struct wall_settings *settings = session->settings;
    char size[32], auth[8 + SASL_NAMES_MAX] = "AUTH";

    snprintf(size, sizeof size, "SIZE %" PRIu64, settings->max_message_size);
    step_line(step, "250", settings->hostname, false);
    step_line(step, "250", size, false);
    step_line(step, "250", "PIPELINING", false);
    step_line(step, "250", "8BITMIME", false);
    step_line(step, "250", "ENHANCEDSTATUSCODES", false);
    if (settings->starttls)
        step_line(step, "250", "STARTTLS", false);
    if (session->mechanisms != 0) {
        sasl_names(session->mechanisms, auth + strlen(auth));
        step_line(step, "250", auth, false);
    }
    if (settings->vrfy)
        step_line(step, "250", "VRFY", false);
    step_line(step, "250", "HELP", true);
}

/* The name is believed to be nothing but text for the trace: RFC 5321 4.1.4 forbids refusing mail
 * for a name that does not fit the client. */
static void do_helo(struct session *session, const struct command *command,
                    struct session_step *step)
{
    if (command->argument_len == 0 || command->argument_len > WALL_HELO_MAX) {
        session_refuse(session, step, REPLY_HELO_NAME);
        return;
    }
    for (size_t i = 0; i < command->argument_len; i++) {
        if (command->argument[i] <= ' ' || command->argument[i] > '~') {
            session_refuse(session, step, REPLY_HELO_NAME);
            return;
        }
    }
    transaction_abandon(session, step);
    memcpy(session->helo, command->argument, command->argument_len);
    session->helo_len = (uint16_t)command->argument_len;
    session->greeted = true;
    session->extended = command->verb == COMMAND_EHLO;
    if (session->extended)
        reply_ehlo(session, step);
    else
        step_reply_with(step, REPLY_HELO, session->settings->hostname);
}

/* RFC 6409: in the roles for submission, who is not known sends nothing and learns nothing. */
static enum reply check_authenticated(const struct session *session)
{
    const struct wall_settings *settings = session->settings;

    if (!settings->auth_due || session->authenticated)
        return REPLY_OK;
    if (settings->broken)
        return REPLY_DIRECTORY;
    return settings->tls_due && !settings->secure ? REPLY_NEED_TLS : REPLY_NEED_AUTH;
}

static enum reply check_mail(const struct session *session, const struct command *command,
                             struct command_mail *mail)
{
    if (!session->greeted)
        return REPLY_NEED_HELO;
    if (session->transaction.open)
        return REPLY_NESTED_MAIL;
    enum reply reply = check_authenticated(session);
    if (reply == REPLY_OK)
        reply = command_parse_mail(command, mail);
    if (reply == REPLY_OK && mail->has_auth && !session->settings->auth)
        return REPLY_UNKNOWN_PARAMETER;
    if (reply == REPLY_OK && mail->size > session->settings->max_message_size)
        return REPLY_TOO_LARGE;
    return reply;
}

static void do_mail(struct session *session, const struct command *command,
                    struct session_step *step)
{
    struct command_mail mail;
    enum reply reply = check_mail(session, command, &mail);

    if (reply != REPLY_OK) {
        session_refuse(session, step, reply);
        return;
    }
    step_send(step, WALL_MAIL);
    step->wait = true;
    session->asked = SESSION_ASKED_MAIL;
    step->message->mail = (struct wall_mail){
        .sender = mail.sender,
        .helo_len = session->helo_len,
        .extended = session->extended,
    };
    memcpy(step->message->mail.helo, session->helo, session->helo_len);
}

static enum reply check_rcpt(const struct session *session, const struct command *command,
                             struct address *recipient)
{
    if (!session->transaction.open)
        return session->greeted ? REPLY_NEED_MAIL : REPLY_NEED_HELO;
    enum reply reply = command_parse_rcpt(command, recipient);
    if (reply == REPLY_OK && session->transaction.recipients >= session->settings->max_recipients)
        return REPLY_TOO_MANY_RECIPIENTS;
    return reply;
}

static void do_rcpt(struct session *session, const struct command *command,
                    struct session_step *step)
{
    enum reply reply = check_rcpt(session, command, &step->message->address);

    if (reply != REPLY_OK) {
        session->transaction.refused_some = session->transaction.open;
        session_refuse(session, step, reply);
        return;
    }
    step_send(step, WALL_RECIPIENT);
    step->wait = true;
    session->asked = SESSION_ASKED_RCPT;
}

static void do_vrfy(struct session *session, const struct command *command,
                    struct session_step *step)
{
    enum reply reply = check_authenticated(session);

    if (reply == REPLY_OK)
        reply = command_parse_vrfy(command, &step->message->address);
    if (reply == REPLY_OK && !session->settings->vrfy)
        reply = REPLY_CANNOT_VERIFY;
    if (reply != REPLY_OK) {
        session_refuse(session, step, reply);
        return;
    }
    step_send(step, WALL_VERIFY);
    step->wait = true;
    session->asked = SESSION_ASKED_VRFY;
}

static void do_data(struct session *session, struct session_step *step)
{
    if (session->transaction.recipients == 0) {
        session_refuse(session, step,
                       !session->greeted                   ? REPLY_NEED_HELO
                       : !session->transaction.open        ? REPLY_NEED_MAIL
                       : session->transaction.refused_some ? REPLY_NO_RECIPIENTS
                                                           : REPLY_NEED_RCPT);
        return;
    }
    step->read_text = true;
    session_refuse(session, step, REPLY_DATA);
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
    step_send(step, WALL_STARTTLS);
    step->wait = true;
    session->asked = SESSION_ASKED_STARTTLS;
}

static void do_help(const struct command *command, struct session_step *step)
{
    struct command topic = command_parse(command->argument, command->argument_len);
    char text[128];

    if (command->argument_len > 0) {
        const char *syntax = command_syntax(topic.verb);
        snprintf(text, sizeof text, "2.0.0 %s", syntax == NULL ? "No such command here" : syntax);
        step_line(step, "214", text, true);
        return;
    }
    step_line(step, "214",
              "2.0.0 Commands: HELO EHLO STARTTLS AUTH MAIL RCPT DATA RSET VRFY HELP NOOP QUIT",
              false);
    step_line(step, "214", "2.0.0 HELP and a command's name tells its syntax", true);
}

void session_line(struct session *session, const char *line, size_t len, struct session_step *step)
{
    if (session->in_auth) {
        session_auth_response(session, line, len, step);
        return;
    }
    struct command command = command_parse(line, len);
    step_clear(step);
    switch (command.verb) {
    case COMMAND_HELO:
    case COMMAND_EHLO:
        do_helo(session, &command, step);
        return;
    case COMMAND_AUTH:
        session_auth(session, &command, step);
        return;
    case COMMAND_MAIL:
        do_mail(session, &command, step);
        return;
    case COMMAND_RCPT:
        do_rcpt(session, &command, step);
        return;
    case COMMAND_VRFY:
        do_vrfy(session, &command, step);
        return;
    case COMMAND_HELP:
        do_help(&command, step);
        return;
    case COMMAND_NOOP:
        session_refuse(session, step, REPLY_OK);
        return;
    case COMMAND_HTTP:
        step_close(step, REPLY_CLOSING_HTTP, WALL_NOTE_HTTP);
        return;
    case COMMAND_ELSEWHERE:
        session_refuse(session, step, REPLY_NOT_IMPLEMENTED);
        return;
    case COMMAND_UNKNOWN:
        session_refuse(session, step, REPLY_UNKNOWN_COMMAND);
        return;
    case COMMAND_STARTTLS:
    case COMMAND_DATA:
    case COMMAND_RSET:
    case COMMAND_QUIT:
        break;
    }
    if (command.argument_len > 0) {
        session_refuse(session, step, REPLY_NO_PARAMETERS);
    } else if (command.verb == COMMAND_STARTTLS) {
        do_starttls(session, step);
    } else if (command.verb == COMMAND_DATA) {
        do_data(session, step);
    } else if (command.verb == COMMAND_RSET) {
        transaction_abandon(session, step);
        session_refuse(session, step, REPLY_OK);
    } else {
        step_close(step, REPLY_QUIT, WALL_NOTE_QUIT);
    }
}

void session_bad_line(struct session *session, enum reply reply, struct session_step *step)
{
    step_clear(step);
    step->secret = true; /* there may be a password in it */
    if (session->in_auth) {
        step_send(step, WALL_CANCEL);
        if (reply == REPLY_LINE_TOO_LONG)
            reply = REPLY_RESPONSE_TOO_LONG;
    }
    session->in_auth = false;
    session_refuse(session, step, reply);
}

static enum reply verdict_reply(uint32_t code, enum reply known, enum reply unsure)
{
    switch (code) {
    case WALL_USER:
        return known;
    case WALL_CATCH_ALL:
    case WALL_AMBIGUOUS:
        return unsure;
    case WALL_UNKNOWN:
        return REPLY_UNKNOWN_USER;
    case WALL_FOREIGN:
        return REPLY_FOREIGN;
    case WALL_DISABLED:
        return REPLY_DISABLED;
    case WALL_TOO_MANY:
        return REPLY_TOO_MANY_RECIPIENTS;
    default:
        return REPLY_DIRECTORY;
    }
}

static void answer_starttls(bool ready, struct session_step *step)
{
    if (ready)
        step_close(step, REPLY_TLS_READY, WALL_NOTE_HANDED_OVER);
    else
        step_reply_with(step, REPLY_TLS_UNAVAILABLE, NULL);
}

static void answer_mail(struct session *session, uint32_t code, struct session_step *step)
{
    session->transaction.open = code == WALL_SENDER_ACCEPTED;
    session_refuse(session, step,
                   code == WALL_SENDER_ACCEPTED    ? REPLY_SENDER
                   : code == WALL_SENDER_NOT_YOURS ? REPLY_NOT_YOURS
                                                   : REPLY_DIRECTORY);
}

static void answer_vrfy(struct session *session, const struct wall_verdict *verdict,
                        struct session_step *step)
{
    enum reply reply = verdict_reply(verdict->code, REPLY_VERIFIED, REPLY_CANNOT_VERIFY);
    char text[ADDRESS_TEXT_MAX];

    if (reply != REPLY_VERIFIED) {
        session_refuse(session, step, reply);
        return;
    }
    address_write(&verdict->address, text);
    step_reply_with(step, REPLY_VERIFIED, text);
}

static void answer_rcpt(struct session *session, const struct wall_verdict *verdict,
                        struct session_step *step)
{
    enum reply reply = verdict_reply(verdict->code, REPLY_RECIPIENT, REPLY_RECIPIENT);

    if (reply == REPLY_RECIPIENT)
        session->transaction.recipients++;
    else
        session->transaction.refused_some = true;
    if (reply == REPLY_FOREIGN && session->settings->submission)
        reply = REPLY_NOT_SENT_ELSEWHERE;
    session_refuse(session, step, reply);
}

static void answer_commit(struct session *session, const struct wall_result *result,
                          struct session_step *step)
{
    static const enum reply replies[] = {
        [WALL_NO_SPACE] = REPLY_NO_SPACE,   [WALL_OVER_QUOTA] = REPLY_OVER_QUOTA,
        [WALL_LOCKED] = REPLY_LOCKED,       [WALL_MAILBOX] = REPLY_MAILBOX,
        [WALL_FAILED] = REPLY_FAILED,       [WALL_LOOP] = REPLY_LOOP,
        [WALL_TOO_LARGE] = REPLY_TOO_LARGE,
    };

    transaction_reset(session);
    if (result->code == WALL_DELIVERED)
        step_reply_with(step, REPLY_DELIVERED, result->id);
    else
        session_refuse(session, step,
                       result->code <= WALL_TOO_LARGE ? replies[result->code] : REPLY_FAILED);
}

void session_answer(struct session *session, const struct wall_message *answer,
                    struct session_step *step)
{
    static const uint32_t due[] = {
        [SESSION_ASKED_NOTHING] = WALL_TYPES,  [SESSION_ASKED_STARTTLS] = WALL_READY,
        [SESSION_ASKED_AUTH] = WALL_CHALLENGE, [SESSION_ASKED_VRFY] = WALL_VERDICT,
        [SESSION_ASKED_MAIL] = WALL_SENDER,    [SESSION_ASKED_RCPT] = WALL_VERDICT,
        [SESSION_ASKED_COMMIT] = WALL_RESULT,
    };

    step_clear(step);
    if (answer->type != due[session->asked])
        step_close(step, REPLY_CLOSING_FAULT, WALL_NOTE_FAULT);
    else if (session->asked == SESSION_ASKED_STARTTLS)
        answer_starttls(answer->ready == 1, step);
    else if (session->asked == SESSION_ASKED_AUTH)
        session_auth_answer(session, &answer->challenge, step);
    else if (session->asked == SESSION_ASKED_VRFY)
        answer_vrfy(session, &answer->verdict, step);
    else if (session->asked == SESSION_ASKED_MAIL)
        answer_mail(session, answer->sender, step);
    else if (session->asked == SESSION_ASKED_RCPT)
        answer_rcpt(session, &answer->verdict, step);
    else
        answer_commit(session, &answer->result, step);
    session->asked = SESSION_ASKED_NOTHING;
}

void session_text_end(struct session *session, enum data_fault fault, struct session_step *step)
{
    static const enum reply replies[] = {
        [DATA_BARE_NEWLINE] = REPLY_BARE_NEWLINE,
        [DATA_TOO_LARGE] = REPLY_TOO_LARGE,
        [DATA_HOPS] = REPLY_LOOP,
    };

    step_clear(step);
    if (fault != DATA_GOOD) {
        transaction_abandon(session, step);
        session_refuse(session, step, replies[fault]);
        return;
    }
    step_send(step, WALL_COMMIT);
    step->wait = true;
    session->asked = SESSION_ASKED_COMMIT;
}

void session_end(enum wall_note note, struct session_step *step)
{
    step_clear(step);
    step->close = true;
    step->note = note;
    if (note == WALL_NOTE_IDLE)
        step_reply_with(step, REPLY_CLOSING_IDLE, NULL);
    else if (note == WALL_NOTE_TOO_LONG)
        step_reply_with(step, REPLY_CLOSING_SESSION, NULL);
    else if (note == WALL_NOTE_TOO_SLOW)
        step_reply_with(step, REPLY_CLOSING_SLOW, NULL);
    else if (note == WALL_NOTE_FAULT)
        step_reply_with(step, REPLY_CLOSING_FAULT, NULL);
}
