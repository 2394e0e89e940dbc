#include "../base/clock.h"
#include "delivery_log.h"
#include "log.h"
#include "requests_table.h"
#include "space.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum verdict found(struct back *back, enum verdict verdict)
{
    if (verdict == VERDICT_DATABASE)
        back_log_database(back);
    return verdict;
}

static enum verdict add_recipient(struct back *back, const struct address *address)
{
    struct directory_match match;
    enum verdict verdict = found(back, directory_find(&back->db, &back->settings, address, &match));

    if (back->delivery.recipients >= back->settings.session.max_recipients)
        return VERDICT_TOO_MANY;
    if (!verdict_accepts(verdict))
        return verdict;
    return found(back, delivery_add(&back->delivery, &back->db, address, &match));
}

/* The user who is logged in; empty: nobody. */
static void write_user(const struct back *back, char text[ADDRESS_TEXT_MAX])
{
    struct address address;

    *text = '\0';
    struct slice user = auth_user(&back->auth);
    if (user.len > 0 && address_from_key(user, &address) == ADDRESS_OK)
        address_write(&address, text);
}

static void log_refusal(struct back *back, const struct address *address, enum verdict verdict)
{
    bool in_transaction = (back->state & BACK_TRANSACTION) != 0;
    const struct wall_mail *mail = in_transaction ? &back->delivery.mail : NULL;
    char text[ADDRESS_TEXT_MAX], sender[ADDRESS_TEXT_MAX], helo[WALL_HELO_MAX + 1];
    char login[ADDRESS_TEXT_MAX], status[REPLY_STATUS_MAX];
    enum reply reply = verdict_reply(verdict, REPLY_RECIPIENT);

    address_write(address, text);
    write_user(back, login);
    if (mail != NULL) {
        address_write(&mail->sender, sender);
        *(char *)mempcpy(helo, mail->helo, mail->helo_len) = '\0';
    }
    enum event recipient_event =
        reply_class(reply) == 5 ? EVENT_REFUSED_RECIPIENT : EVENT_DEFERRED_RECIPIENT;
    log_event(recipient_event, "recipient", text, "reason", verdict_word(verdict), "reply",
              reply_status(reply, status), "sender", mail == NULL ? NULL : sender, "helo",
              mail == NULL ? NULL : helo, "login", login[0] == '\0' ? NULL : login, NULL);
}

/* May the front ask about this address? */
static bool is_valid(const struct address *address)
{
    return address_valid(address) && (address->local_len > 0 || address->domain_len > 0);
}

static void answer_address(struct back *back, const struct address *address,
                           const struct wall_verdict *verdict, bool is_idle)
{
    bool accepted = verdict_accepts(verdict->code);

    if (!accepted)
        log_refusal(back, address, verdict->code);
    if (accepted ? is_idle && back_too_idle(back, 1)
                 : back_refused_too_often(back, verdict_reply(verdict->code, REPLY_RECIPIENT)))
        return;
    back->message.type = WALL_VERDICT;
    back->message.verdict = *verdict;
    back_answer(back);
}

void requests_verify(struct back *back)
{
    struct address address = back->message.address;
    struct wall_verdict verdict = {0};

    if (!back->settings.session.vrfy) {
        back_breach(back, "out of order");
        return;
    }
    if (!is_valid(&address)) {
        back_breach(back, "address");
        return;
    }
    verdict.code = found(back, directory_verify(&back->db, &back->settings, &address, verdict.names,
                                                &verdict.count));
    if (verdict.code == VERDICT_ALIAS) /* which of the two it is concerns no client */
        verdict.code = VERDICT_USER;
    answer_address(back, &address, &verdict, true);
}

void requests_recipient(struct back *back)
{
    struct address address = back->message.address;

    if (!is_valid(&address) || (!back->delivery.mail.utf8 && !address_is_ascii(&address))) {
        back_breach(back, "address");
        return;
    }
    const struct wall_verdict verdict = {.code = add_recipient(back, &address)};
    if (back->delivery.count > 0)
        back->state = BACK_READY;
    answer_address(back, &address, &verdict, false);
}

static bool mail_valid(const struct wall_mail *mail)
{
    bool unqualified = mail->sender.local_len > 0 && mail->sender.domain_len == 0;

    if (!address_valid(&mail->sender) || unqualified || mail->helo_len == 0 ||
        mail->helo_len > WALL_HELO_MAX || mail->extended > 1 || mail->utf8 > 1 || mail->prdr > 1 ||
        (!mail->utf8 && !address_is_ascii(&mail->sender)))
        return false;
    for (size_t i = 0; i < mail->helo_len; i++)
        if (mail->helo[i] <= ' ' || mail->helo[i] > '~')
            return false;
    return true;
}

/* Authenticated users may send only from their own addresses. */
static enum verdict check_sender(struct back *back, const struct address *sender)
{
    struct slice user = auth_user(&back->auth);
    bool is_null = sender->local_len == 0 && sender->domain_len == 0;

    if (back->start->role == ROLE_LOCAL && back->local.verdict != VERDICT_OK)
        return found(back, back->local.verdict);
    if (user.len == 0 || is_null || back->local.anybody)
        return VERDICT_OK;
    int may = directory_may_send(&back->db, &back->settings, user, sender);
    return found(back, may < 0 ? VERDICT_DATABASE : may == 0 ? VERDICT_NOT_YOURS : VERDICT_OK);
}

static void log_sender(struct back *back, const struct wall_mail *mail, enum verdict verdict)
{
    char text[ADDRESS_TEXT_MAX], user[ADDRESS_TEXT_MAX], size[24], status[REPLY_STATUS_MAX];
    char uid[24];

    address_write(&mail->sender, text);
    write_user(back, user);
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

void requests_mail(struct back *back)
{
    const struct wall_mail *mail = &back->message.mail;

    if (!mail_valid(mail)) {
        back_breach(back, "sender");
        return;
    }
    enum verdict verdict = check_sender(back, &mail->sender);
    if (verdict == VERDICT_OK && mail->size > back->settings.session.max_message_size)
        verdict = VERDICT_TOO_LARGE;
    if (verdict == VERDICT_OK && !space_in_mail_root(&back->settings, mail->size))
        verdict = VERDICT_NO_SPACE;
    if (verdict == VERDICT_OK) {
        const struct delivery_client client = {
            .peer = back->start->peer,
            .tls = &back->tls,
            .user = auth_user(&back->auth),
            .lmtp = back->start->role == ROLE_LMTP,
            .authenticated = auth_user(&back->auth).len > 0 && back->start->role != ROLE_LOCAL,
            .submission = role_is_submission(back->start->role),
        };
        delivery_begin(&back->delivery, &back->settings, &client, mail);
        back->state = BACK_ENVELOPE;
    } else {
        log_sender(back, mail, verdict);
        if (back_refused_too_often(back, verdict_reply(verdict, REPLY_SENDER)))
            return;
    }
    back->message.type = WALL_VERDICT;
    back->message.verdict = (struct wall_verdict){.code = verdict};
    back_answer(back);
}

/* The time that a delivery takes does not count as the front's. */
void requests_commit(struct back *back)
{
    int64_t begun = clock_ms();
    struct wall_result *result = &back->message.result;

    uint64_t recipients = back->delivery.recipients;

    back->message.type = WALL_RESULT;
    delivery_commit(&back->delivery, result);
    bool delivered = memchr(result->codes, VERDICT_OK, result->count) != NULL;
    back->messages += delivered;
    back->state = BACK_IDLE;
    back->deadline += clock_ms() - begun;
    if (delivered)
        back->idle = 0;
    else if (back_too_idle(back, 1 + recipients) || back->delivery.stopped)
        return; /* the session ends with 421 */
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
