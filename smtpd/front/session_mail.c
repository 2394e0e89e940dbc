#include "session_mail.h"

#include <stdio.h>
#include <string.h>

void session_mail_reset(struct session *session)
{
    memset(&session->transaction, 0, sizeof session->transaction);
}

void session_mail_abandon(struct session *session, struct session_step *step)
{
    if (session->transaction.open) {
        step_send(step, WALL_ABANDON);
        if (!session->settings->lmtp)
            session_count_idle(session, 1 + session->transaction.recipients);
    }
    session_mail_reset(session);
}

/* RFC 6409: in the roles for submission, who is not known sends nothing and learns nothing. */
static enum reply check_authenticated(const struct session *session)
{
    const struct wall_settings *settings = session->settings;

    if (!settings->submission || session->authenticated)
        return REPLY_OK;
    if (settings->broken)
        return REPLY_DIRECTORY;
    return settings->tls_due && !settings->secure ? REPLY_NEED_TLS : REPLY_NEED_AUTH;
}

static enum reply check_mail(const struct session *session, const struct command *command,
                             struct command_mail *mail)
{
    if (!session->greeted)
        return session_need_greeting(session);
    if (session->transaction.open)
        return REPLY_NESTED_MAIL;
    enum reply reply = check_authenticated(session);
    if (reply == REPLY_OK)
        reply = command_parse_mail(command, mail);
    if (reply == REPLY_OK && ((mail->has_auth && !session->settings->auth) ||
                              (mail->require_tls && !session->settings->secure) ||
                              (mail->prdr && session->settings->lmtp)))
        return REPLY_UNKNOWN_PARAMETER;
    return reply;
}

void session_mail(struct session *session, const struct command *command, struct session_step *step)
{
    uint64_t max = session->settings->session.max_messages;
    struct command_mail mail;

    if (++session->messages > max && max > 0) {
        step_close(step, END_MESSAGES);
        return;
    }
    enum reply reply = check_mail(session, command, &mail);
    if (reply != REPLY_OK) {
        session_refuse(session, step, reply);
        return;
    }
    session_ask(session, step, WALL_MAIL, SESSION_ASKED_MAIL);
    step->message->mail = (struct wall_mail){
        .sender = mail.sender,
        .size = mail.size,
        .helo_len = session->helo_len,
        .extended = session->extended,
        .utf8 = mail.utf8,
        .prdr = mail.prdr,
    };
    session->transaction.utf8 = mail.utf8;
    session->transaction.prdr = mail.prdr;
    memcpy(step->message->mail.helo, session->helo, session->helo_len);
}

static enum reply check_rcpt(const struct session *session, const struct command *command,
                             struct address *recipient)
{
    if (!session->transaction.open)
        return session->greeted ? REPLY_NEED_MAIL : session_need_greeting(session);
    if (session->transaction.chunked)
        return REPLY_IN_CHUNKS;
    return command_parse_rcpt(command, session->transaction.utf8, recipient);
}

void session_rcpt(struct session *session, const struct command *command, struct session_step *step)
{
    enum reply reply = check_rcpt(session, command, &step->message->address);

    if (reply != REPLY_OK) {
        session->transaction.refused_some = session->transaction.open;
        session_refuse(session, step, reply);
        return;
    }
    session_ask(session, step, WALL_RECIPIENT, SESSION_ASKED_RCPT);
}

void session_vrfy(struct session *session, const struct command *command, struct session_step *step)
{
    enum reply reply = check_authenticated(session);

    if (reply == REPLY_OK)
        reply = command_parse_vrfy(command, &step->message->address);
    if (reply == REPLY_OK && !session->settings->session.vrfy)
        reply = REPLY_CANNOT_VERIFY;
    if (reply != REPLY_OK) {
        session_refuse(session, step, reply);
        return;
    }
    session_ask(session, step, WALL_VERIFY, SESSION_ASKED_VRFY);
}

static void answer_mail(struct session *session, const struct wall_verdict *verdict,
                        struct session_step *step)
{
    session->transaction.open = verdict_accepts(verdict->code);
    session_refuse(session, step, verdict_reply(verdict->code, REPLY_SENDER));
}

/* RFC 5321 section 3.5.1: which ones there are, as many as there is room for. */
static void reply_ambiguous(struct session *session, const struct wall_verdict *verdict,
                            struct session_step *step)
{
    enum { ROOM_FOR_LAST = 64 };
    char text[sizeof "5.1.4 <>" + ADDRESS_TEXT_MAX], name[ADDRESS_TEXT_MAX];

    if (session_count_error(session, step))
        return;
    for (uint32_t i = 0; i < verdict->count && i < VERDICT_NAMES_MAX; i++) {
        address_write(&verdict->names[i], name);
        snprintf(text, sizeof text, "5.1.4 <%s>", name);
        if (step->reply_len + strlen(text) + ROOM_FOR_LAST < sizeof step->reply)
            step_line(step, "553", text, false);
    }
    step_line(step, "553", reply_text(REPLY_AMBIGUOUS), true);
}

static void answer_vrfy(struct session *session, const struct wall_verdict *verdict,
                        struct session_step *step)
{
    char text[ADDRESS_TEXT_MAX];

    if (verdict->code == VERDICT_AMBIGUOUS) {
        reply_ambiguous(session, verdict, step);
    } else if (verdict->code == VERDICT_CATCH_ALL) {
        session_refuse(session, step, REPLY_CANNOT_VERIFY);
    } else if (verdict_accepts(verdict->code)) {
        address_write(&verdict->names[0], text);
        step_reply_with(step, REPLY_VERIFIED, text);
    } else {
        session_refuse(session, step, verdict_reply(verdict->code, REPLY_VERIFIED));
    }
}

static void answer_rcpt(struct session *session, const struct wall_verdict *verdict,
                        struct session_step *step)
{
    enum reply reply = verdict_reply(verdict->code, REPLY_RECIPIENT);

    if (reply == REPLY_RECIPIENT &&
        session->transaction.recipients == session_max_recipients(session)) {
        step_close(step, END_FAULT); /* the back knows the limit */
        return;
    }
    if (reply == REPLY_RECIPIENT)
        session->transaction.recipients++;
    else
        session->transaction.refused_some = true;
    if (reply == REPLY_FOREIGN && session->settings->submission)
        reply = REPLY_NOT_SENT_ELSEWHERE;
    session_refuse(session, step, reply);
}

void session_mail_answer(struct session *session, const struct wall_message *answer,
                         struct session_step *step)
{
    if (session->asked == SESSION_ASKED_VRFY)
        answer_vrfy(session, &answer->verdict, step);
    else if (session->asked == SESSION_ASKED_MAIL)
        answer_mail(session, &answer->verdict, step);
    else
        answer_rcpt(session, &answer->verdict, step);
}
