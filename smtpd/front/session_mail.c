#include "session_mail.h"

#include <string.h>

/* Every end of a transaction. */
static void reset(struct session *session)
{
    memset(&session->transaction, 0, sizeof session->transaction);
}

void session_mail_abandon(struct session *session, struct session_step *step)
{
    if (session->transaction.open)
        step_send(step, WALL_ABANDON);
    reset(session);
}

static void ask(struct session *session, struct session_step *step, enum wall_type type,
                enum session_asked asked)
{
    step_send(step, type);
    step->wait = true;
    session->asked = asked;
}

static enum reply need_greeting(const struct session *session)
{
    return session->settings->lmtp ? REPLY_NEED_LHLO : REPLY_NEED_HELO;
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
        return need_greeting(session);
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

void session_mail(struct session *session, const struct command *command, struct session_step *step)
{
    struct command_mail mail;
    enum reply reply = check_mail(session, command, &mail);

    if (reply != REPLY_OK) {
        session_refuse(session, step, reply);
        return;
    }
    ask(session, step, WALL_MAIL, SESSION_ASKED_MAIL);
    step->message->mail = (struct wall_mail){
        .sender = mail.sender,
        .helo_len = session->helo_len,
        .extended = session->extended,
    };
    memcpy(step->message->mail.helo, session->helo, session->helo_len);
}

static bool has_all_recipients(const struct session *session)
{
    uint64_t recipients = session->transaction.recipients;

    return recipients >= session->settings->max_recipients ||
           (session->settings->lmtp && recipients >= WALL_RESULTS_MAX);
}

static enum reply check_rcpt(const struct session *session, const struct command *command,
                             struct address *recipient)
{
    if (!session->transaction.open)
        return session->greeted ? REPLY_NEED_MAIL : need_greeting(session);
    enum reply reply = command_parse_rcpt(command, recipient);
    return reply == REPLY_OK && has_all_recipients(session) ? REPLY_TOO_MANY_RECIPIENTS : reply;
}

void session_rcpt(struct session *session, const struct command *command, struct session_step *step)
{
    enum reply reply = check_rcpt(session, command, &step->message->address);

    if (reply != REPLY_OK) {
        session->transaction.refused_some = session->transaction.open;
        session_refuse(session, step, reply);
        return;
    }
    ask(session, step, WALL_RECIPIENT, SESSION_ASKED_RCPT);
}

void session_vrfy(struct session *session, const struct command *command, struct session_step *step)
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
    ask(session, step, WALL_VERIFY, SESSION_ASKED_VRFY);
}

/* RFC 2033 section 4.2 wants 503 where all were refused. */
static enum reply no_recipients(const struct session *session)
{
    return session->settings->lmtp ? REPLY_NEED_RCPT : REPLY_NO_RECIPIENTS;
}

void session_data(struct session *session, struct session_step *step)
{
    if (session->transaction.recipients == 0) {
        session_refuse(session, step,
                       !session->greeted                   ? need_greeting(session)
                       : !session->transaction.open        ? REPLY_NEED_MAIL
                       : session->transaction.refused_some ? no_recipients(session)
                                                           : REPLY_NEED_RCPT);
        return;
    }
    step->read_text = true;
    session_refuse(session, step, REPLY_DATA);
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
    if (session->settings->lmtp) /* max-errors is not for what a mail system passes on */
        step_reply_with(step, reply, NULL);
    else
        session_refuse(session, step, reply);
}

/* What a message's end is answered with: one reply, in LMTP one for each recipient. */
static size_t count_replies(const struct session *session)
{
    return session->settings->lmtp ? (size_t)session->transaction.recipients : 1;
}

static void say_next(struct session *session, struct session_step *step)
{
    step_reply_with(step, session->outcome.replies[session->outcome.said++], session->outcome.id);
    step->more = session->outcome.said < session->outcome.count;
}

static void say_outcome(struct session *session, struct session_step *step)
{
    session->outcome.said = 0;
    if (session->outcome.replies[0] == REPLY_DELIVERED || session->settings->lmtp)
        say_next(session, step);
    else
        session_refuse(session, step, session->outcome.replies[0]);
}

void session_more(struct session *session, struct session_step *step)
{
    step_clear(step);
    say_next(session, step);
}

static void answer_commit(struct session *session, const struct wall_result *result,
                          struct session_step *step)
{
    static const enum reply replies[] = {
        [WALL_DELIVERED] = REPLY_DELIVERED,
        [WALL_NO_SPACE] = REPLY_NO_SPACE,
        [WALL_OVER_QUOTA] = REPLY_OVER_QUOTA,
        [WALL_LOCKED] = REPLY_LOCKED,
        [WALL_MAILBOX] = REPLY_MAILBOX,
        [WALL_FAILED] = REPLY_FAILED,
        [WALL_LOOP] = REPLY_LOOP,
        [WALL_TOO_LARGE] = REPLY_TOO_LARGE,
    };

    session->outcome.count = count_replies(session);
    reset(session);
    if (result->count != session->outcome.count) {
        step_close(step, REPLY_CLOSING_FAULT, WALL_NOTE_FAULT);
        return;
    }
    for (size_t i = 0; i < session->outcome.count; i++)
        session->outcome.replies[i] =
            result->codes[i] <= WALL_TOO_LARGE ? replies[result->codes[i]] : REPLY_FAILED;
    memcpy(session->outcome.id, result->id, sizeof session->outcome.id);
    say_outcome(session, step);
}

void session_mail_answer(struct session *session, const struct wall_message *answer,
                         struct session_step *step)
{
    if (session->asked == SESSION_ASKED_VRFY)
        answer_vrfy(session, &answer->verdict, step);
    else if (session->asked == SESSION_ASKED_MAIL)
        answer_mail(session, answer->sender, step);
    else if (session->asked == SESSION_ASKED_RCPT)
        answer_rcpt(session, &answer->verdict, step);
    else
        answer_commit(session, &answer->result, step);
}

void session_text_end(struct session *session, enum data_fault fault, struct session_step *step)
{
    static const enum reply replies[] = {
        [DATA_BARE_NEWLINE] = REPLY_BARE_NEWLINE,
        [DATA_TOO_LARGE] = REPLY_TOO_LARGE,
        [DATA_HOPS] = REPLY_LOOP,
    };

    step_clear(step);
    if (fault == DATA_GOOD) {
        ask(session, step, WALL_COMMIT, SESSION_ASKED_COMMIT);
        return;
    }
    session->outcome.count = count_replies(session);
    for (size_t i = 0; i < session->outcome.count; i++)
        session->outcome.replies[i] = replies[fault];
    session_mail_abandon(session, step);
    say_outcome(session, step);
}
