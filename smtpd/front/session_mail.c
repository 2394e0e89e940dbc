#include "session_mail.h"

#include "command.h"

#include <string.h>

enum reply session_may_mail(const struct session *session)
{
    const struct wall_settings *settings = session->settings;

    if (!settings->submission || session->authenticated)
        return REPLY_OK;
    if (settings->broken)
        return REPLY_DIRECTORY;
    return settings->tls_due && !settings->secure ? REPLY_NEED_TLS : REPLY_NEED_AUTH;
}

void session_mail(struct session *session, struct slice argument, struct step *step)
{
    struct wall_mail *mail = &step->message->mail;
    enum reply reply = command_parse_mail(argument, session->settings, step->message);

    if (reply != REPLY_OK) {
        session_reply(session, step, reply);
        return;
    }
    session->transaction.utf8 = mail->utf8;
    session->transaction.prdr = mail->prdr;
    mail->extended = session->extended;
    mail->helo_len = session->helo_len;
    memcpy(mail->helo, session->helo, session->helo_len);
    step_ask(step, WALL_MAIL);
}

void session_mail_answer(struct session *session, const struct wall_message *answer,
                         struct step *step)
{
    if (verdict_accepts(answer->verdict.code))
        session->state = SESSION_ENVELOPE;
    session_reply(session, step, verdict_reply(answer->verdict.code, REPLY_SENDER));
}

static void refuse_rcpt(struct session *session, enum reply reply, struct step *step)
{
    if (session->state == SESSION_ENVELOPE)
        session->state = SESSION_REFUSED;
    session_reply(session, step, reply);
}

void session_rcpt(struct session *session, struct slice argument, struct step *step)
{
    enum reply reply =
        command_parse_rcpt(argument, session->transaction.utf8, session->settings, step->message);

    if (reply == REPLY_OK)
        step_ask(step, WALL_RECIPIENT);
    else
        refuse_rcpt(session, reply, step);
}

static uint64_t max_recipients(const struct session *session)
{
    uint64_t max = session->settings->session.max_recipients;
    bool each = session->settings->lmtp || session->transaction.prdr;

    return each && max > WALL_RESULTS_MAX ? WALL_RESULTS_MAX : max;
}

void session_rcpt_answer(struct session *session, const struct wall_message *answer,
                         struct step *step)
{
    enum reply reply = verdict_reply(answer->verdict.code, REPLY_RECIPIENT);

    if (reply == REPLY_FOREIGN && session->settings->submission)
        reply = REPLY_NOT_SENT_ELSEWHERE;
    if (reply != REPLY_RECIPIENT) {
        refuse_rcpt(session, reply, step);
    } else if (session->transaction.recipients == max_recipients(session)) {
        step_close(step, END_FAULT); /* the back knows the limit */
    } else {
        session->transaction.recipients++;
        session->state = SESSION_RECIPIENTS;
        session_reply(session, step, reply);
    }
}

void session_vrfy(struct session *session, struct slice argument, struct step *step)
{
    enum reply reply = command_parse_vrfy(argument, &step->message->address);

    if (reply == REPLY_OK && !session->settings->session.vrfy)
        reply = REPLY_CANNOT_VERIFY;
    if (reply == REPLY_OK)
        step_ask(step, WALL_VERIFY);
    else
        session_reply(session, step, reply);
}

/* RFC 5321 section 3.5.1: lists the addresses, as many as fit. */
static void reply_ambiguous(struct session *session, const struct wall_verdict *verdict,
                            struct step *step)
{
    enum { ROOM_FOR_REST = 80 }; /* what is around the name, and the last line */
    char name[ADDRESS_TEXT_MAX];

    if (session_count_error(session, step))
        return;
    for (uint32_t i = 0; i < verdict->count && i < VERDICT_NAMES_MAX; i++) {
        size_t len = address_write(&verdict->names[i], name);
        if (step->reply_len + len + ROOM_FOR_REST < sizeof step->reply)
            step_line(step, REPLY_AMBIGUOUS_NAME, name, false);
    }
    step_line(step, REPLY_AMBIGUOUS, NULL, true);
}

void session_vrfy_answer(struct session *session, const struct wall_message *answer,
                         struct step *step)
{
    const struct wall_verdict *verdict = &answer->verdict;
    char text[ADDRESS_TEXT_MAX];

    if (verdict->code == VERDICT_AMBIGUOUS) {
        reply_ambiguous(session, verdict, step);
    } else if (verdict->code == VERDICT_CATCH_ALL) {
        session_reply(session, step, REPLY_CANNOT_VERIFY);
    } else if (verdict_accepts(verdict->code)) {
        address_write(&verdict->names[0], text);
        step_reply(step, REPLY_VERIFIED, text);
    } else {
        session_reply(session, step, verdict_reply(verdict->code, REPLY_VERIFIED));
    }
}
