#include "../base/clock.h"
#include "../base/peer.h"
#include "delivery_log.h"
#include "log.h"
#include "requests_report.h"
#include "requests_said.h"
#include "requests_table.h"
#include "space.h"
#include "wait.h"

#include "../wall/sasl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_visible(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    return true;
}

static bool mail_valid(const struct wall_mail *mail)
{
    bool unqualified = mail->sender.local_len > 0 && mail->sender.domain_len == 0;

    if (!address_valid(&mail->sender) || unqualified || mail->helo_len == 0 ||
        mail->helo_len > WALL_HELO_MAX || mail->extended > 1 || mail->utf8 > 1 || mail->prdr > 1 ||
        mail->require_tls > 1 || mail->body >= WALL_BODIES ||
        (!mail->utf8 && !address_is_ascii(&mail->sender)))
        return false;
    return is_visible(mail->helo, mail->helo_len) && is_visible(mail->author, mail->author_len);
}

/* Authenticated users may send only from their own addresses. */
static enum verdict check_sender(struct back *back, const struct address *sender)
{
    struct slice user = auth_user(&back->auth);
    bool is_null = sender->local_len == 0 && sender->domain_len == 0;

    if (back->start->role == ROLE_LOCAL && back->local.verdict != VERDICT_OK)
        return back_found(back, back->local.verdict);
    if (user.len == 0 || is_null || back->local.anybody)
        return VERDICT_OK;
    int may = directory_may_send(&back->db, &back->settings, user, sender);
    return back_found(back, may < 0 ? VERDICT_DATABASE : may == 0 ? VERDICT_NOT_YOURS : VERDICT_OK);
}

static void log_sender(struct back *back, const struct wall_mail *mail, enum verdict verdict)
{
    char text[ADDRESS_TEXT_MAX], user[ADDRESS_TEXT_MAX], size[24], status[REPLY_STATUS_MAX];
    char uid[24];

    address_write(&mail->sender, text);
    requests_report_user(back, user);
    snprintf(size, sizeof size, "%" PRIu64, mail->size);
    snprintf(uid, sizeof uid, "%" PRIu64, (uint64_t)back->local.uid);
    reply_status(verdict_reply(verdict, REPLY_SENDER), status);
    if (verdict == VERDICT_NO_SPACE)
        log_event(EVENT_DEFERRED, "doing", "accept the message", "mailbox",
                  back->settings.mail_root, "error", strerror(ENOSPC), "sender", text, "reply",
                  status, "size", size, NULL);
    else if (verdict == VERDICT_TOO_LARGE)
        log_event(EVENT_REFUSED_MESSAGE, "sender", text, "reason", verdict_word(verdict), "reply",
                  status, "size", size, "login", user[0] == '\0' ? NULL : user, NULL);
    else if (verdict == VERDICT_DATABASE || verdict == VERDICT_FAILED)
        log_event(EVENT_REFUSED_COMMAND, "command", "MAIL", "reply", status, "sender", text,
                  "login", user[0] == '\0' ? NULL : user, NULL);
    else
        log_event(EVENT_REFUSED_SENDER, "sender", text, "user", user, "reason",
                  verdict_word(verdict), "reply", status, "uid",
                  verdict == VERDICT_NO_NAME ? uid : NULL, NULL);
}

static enum verdict check_mail(struct back *back, const struct wall_mail *mail)
{
    enum verdict verdict = check_sender(back, &mail->sender);

    if (verdict == VERDICT_OK && mail->size > back->settings.session.max_message_size)
        verdict = VERDICT_TOO_LARGE;
    if (verdict == VERDICT_OK && !space_in_mail_root(&back->settings, mail->size))
        verdict = VERDICT_NO_SPACE;
    return verdict;
}

static void begin(struct back *back, const struct wall_mail *mail)
{
    bool logged_in = auth_user(&back->auth).len > 0;
    const struct delivery_client client = {
        .peer = back->start->peer,
        .tls = &back->tls,
        .user = auth_user(&back->auth),
        .lmtp = back->start->role == ROLE_LMTP,
        .authenticated = logged_in && back->start->role != ROLE_LOCAL,
        .submission = role_is_submission(back->start->role),
    };

    delivery_begin(&back->delivery, &back->settings, &client, mail);
}

/* The time that filters take does not count as the front's. */
static enum verdict ask_filters(struct back *back)
{
    bool by_auth = back->delivery.client.authenticated;
    int64_t begun = clock_ms();

    if (milters_count(&back->milters) == 0)
        return VERDICT_OK;
    const struct milter_client client = {
        .role = back->start->role,
        .hostname = back->settings.session.hostname,
        .mechanism = by_auth ? sasl_name(back->auth.mechanism) : NULL,
        .port = peer_port(back->start->in),
    };
    enum verdict verdict = milters_mail(&back->milters, &client, &back->delivery);
    back->deadline += clock_ms() - begun;
    if (verdict != VERDICT_OK)
        delivery_abandon(&back->delivery);
    return verdict;
}

static void answer_mail(struct back *back, enum verdict verdict)
{
    if (verdict == VERDICT_OK)
        back->state = BACK_ENVELOPE;
    else if (back_refused_too_often(back, verdict_reply(verdict, REPLY_SENDER)))
        return;
    requests_said(back, verdict);
    if (back->state == BACK_DONE)
        return;
    back->message.type = WALL_VERDICT;
    back->message.verdict = (struct wall_verdict){.code = verdict};
    back_answer(back);
}

void requests_mail(struct back *back)
{
    const struct wall_mail *mail = &back->message.mail;

    if (!mail_valid(mail)) {
        back_breach(back, "sender");
        return;
    }
    enum verdict verdict = check_mail(back, mail);
    if (verdict == VERDICT_OK) {
        begin(back, mail);
        verdict = ask_filters(back);
    } else {
        log_sender(back, mail, verdict);
    }
    if (verdict == VERDICT_MILTER_UNAVAILABLE && wait_stopped() != 0)
        back_stop(back);
    else
        answer_mail(back, verdict);
}

static bool is_delivered(const struct wall_result *result)
{
    return memchr(result->codes, VERDICT_OK, result->count) != NULL;
}

/* The time that a delivery takes does not count as the front's. */
void requests_commit(struct back *back)
{
    int64_t begun = clock_ms();
    struct wall_result result;
    uint64_t recipients = back->delivery.recipients;

    delivery_commit(&back->delivery, &result);
    back->messages += is_delivered(&result);
    back->state = BACK_IDLE;
    back->deadline += clock_ms() - begun;
    if (is_delivered(&result))
        back->idle = 0;
    else if (back_too_idle(back, 1 + recipients) || back->delivery.stopped)
        return; /* the session ends with 421 */
    requests_said_results(back, &result);
    if (back->state == BACK_DONE)
        return;
    back->message.type = WALL_RESULT;
    back->message.result = result;
    back_answer(back);
}

/* A fault that the front has found in the message. It abandons the transaction next. */
void requests_refused_text(struct back *back)
{
    uint32_t fault = back->message.fault;
    char status[REPLY_STATUS_MAX];

    if (!verdict_is_of_text(fault)) {
        back_breach(back, "fault of a message");
        return;
    }
    const struct delivery_outcome outcome = {
        .reply = reply_status(verdict_reply(fault, REPLY_DELIVERED), status),
        .reason = verdict_word(fault),
    };
    if (!back_too_many_errors(back))
        delivery_log(&back->delivery, EVENT_REFUSED_MESSAGE, &outcome);
}

void requests_text(struct back *back)
{
    back->state = BACK_TEXT;
    delivery_text(&back->delivery, (struct slice){back->message.text, back->body_len});
}

void requests_abandon(struct back *back)
{
    delivery_abandon(&back->delivery);
    back->state = BACK_IDLE;
    back_too_idle(back, 1 + back->delivery.recipients);
}
