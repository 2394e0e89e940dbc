#include "requests.h"

#include "../base/clock.h"
#include "../wall/told.h"
#include "delivery_log.h"
#include "log.h"
#include "requests_auth.h"
#include "requests_refused.h"
#include "requests_tls.h"
#include "room.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum wall_verdict_code verdict_code(struct back *back, enum directory_verdict verdict)
{
    if (verdict == DIRECTORY_BROKEN)
        back_log_database(back);
    return directory_verdict_code(verdict);
}

static enum wall_verdict_code add_recipient(struct back *back, const struct address *address)
{
    struct directory_match match;
    enum wall_verdict_code code =
        verdict_code(back, directory_find(&back->db, &back->settings, address, &match));

    if (back->delivery.recipients >= back->settings.max_recipients)
        return WALL_TOO_MANY;
    if (code != WALL_USER && code != WALL_CATCH_ALL)
        return code;
    enum wall_verdict_code added = delivery_add(&back->delivery, &back->db, address, &match);
    if (added == WALL_BROKEN)
        back_log_database(back);
    return added == WALL_USER ? code : added;
}

/* Who is authenticated; empty: nobody. */
static void write_user(const struct back *back, char text[ADDRESS_TEXT_MAX])
{
    struct address address;

    *text = '\0';
    if (back->auth.user_len > 0 &&
        address_from_key(back->auth.user, back->auth.user_len, &address) == ADDRESS_OK)
        address_write(&address, text);
}

static void log_refusal(struct back *back, const struct address *address, uint32_t code)
{
    const struct wall_mail *mail = back->state == BACK_ENVELOPE ? &back->delivery.mail : NULL;
    char text[ADDRESS_TEXT_MAX], sender[ADDRESS_TEXT_MAX], helo[WALL_HELO_MAX + 1];
    char login[ADDRESS_TEXT_MAX], status[REPLY_STATUS_MAX];

    address_write(address, text);
    write_user(back, login);
    if (mail != NULL) {
        address_write(&mail->sender, sender);
        *(char *)mempcpy(helo, mail->helo, mail->helo_len) = '\0';
    }
    enum reply reply = told_verdict(code);
    enum event recipient_event =
        reply_class(reply) == 5 ? EVENT_REFUSED_RECIPIENT : EVENT_DEFERRED_RECIPIENT;
    log_event(recipient_event, "recipient", text, "reason",
              code == WALL_UNKNOWN     ? "unknown user"
              : code == WALL_FOREIGN   ? "not local"
              : code == WALL_DISABLED  ? "disabled"
              : code == WALL_TOO_MANY  ? "too many"
              : code == WALL_FULL      ? "mailbox full"
              : code == WALL_NO_ROOM   ? "disk full"
              : code == WALL_AMBIGUOUS ? "ambiguous"
                                       : "database",
              "reply", reply_status(reply, status), "sender", mail == NULL ? NULL : sender, "helo",
              mail == NULL ? NULL : helo, "login", login[0] == '\0' ? NULL : login, NULL);
}

static void do_address(struct back *back, bool is_recipient)
{
    struct address address = back->message.address;

    if (!address_valid(&address) || (address.local_len == 0 && address.domain_len == 0) ||
        (is_recipient && !back->delivery.mail.utf8 && !address_is_ascii(&address))) {
        back_breach(back, "address");
        return;
    }
    struct wall_verdict verdict = {0};
    if (is_recipient)
        verdict.code = add_recipient(back, &address);
    else
        verdict.code = verdict_code(back, directory_verify(&back->db, &back->settings, &address,
                                                           verdict.names, &verdict.count));
    if (verdict.code != WALL_USER && verdict.code != WALL_CATCH_ALL)
        log_refusal(back, &address, verdict.code);
    bool is_error = verdict.code == WALL_UNKNOWN || verdict.code == WALL_FOREIGN ||
                    verdict.code == WALL_DISABLED;
    if (is_error && back_too_many_errors(back))
        return;
    bool is_deferred = verdict.code > WALL_DISABLED;
    if ((!is_recipient || is_deferred) && back_too_idle(back, 1))
        return;
    back->message.type = WALL_VERDICT;
    back->message.verdict = verdict;
    back_answer(back);
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

/* Who is authenticated sends as nobody else. */
static enum wall_sender_code check_sender(struct back *back, const struct address *sender)
{
    const struct auth *auth = &back->auth;

    if (auth->user_len == 0 || (sender->local_len == 0 && sender->domain_len == 0))
        return WALL_SENDER_ACCEPTED;
    int may = directory_may_send(&back->db, &back->settings, auth->user, auth->user_len, sender);
    if (may < 0)
        back_log_database(back);
    return may < 0 ? WALL_SENDER_UNKNOWN : may == 0 ? WALL_SENDER_NOT_YOURS : WALL_SENDER_ACCEPTED;
}

static void log_sender(struct back *back, const struct wall_mail *mail, enum wall_sender_code code)
{
    char text[ADDRESS_TEXT_MAX], user[ADDRESS_TEXT_MAX], size[24], status[REPLY_STATUS_MAX];

    address_write(&mail->sender, text);
    write_user(back, user);
    snprintf(size, sizeof size, "%" PRIu64, mail->size);
    reply_status(told_sender(code), status);
    if (code == WALL_SENDER_NO_SPACE)
        log_event(EVENT_DEFERRED, "doing", "take the message", "mailbox", back->settings.mail_root,
                  "error", strerror(ENOSPC), "sender", text, "reply", status, "size", size, NULL);
    else if (code == WALL_SENDER_TOO_LARGE)
        log_event(EVENT_REFUSED_MESSAGE, "sender", text, "reason", "too large", "reply", status,
                  "size", size, "login", user[0] == '\0' ? NULL : user, NULL);
    else if (code == WALL_SENDER_UNKNOWN)
        log_event(EVENT_REFUSED_COMMAND, "command", "MAIL", "reply", status, "sender", text,
                  "login", user[0] == '\0' ? NULL : user, NULL);
    else if (code == WALL_SENDER_NOT_YOURS)
        log_event(EVENT_REFUSED_SENDER, "sender", text, "user", user, "reason", "not the user's",
                  "reply", status, NULL);
}

static void do_mail(struct back *back)
{
    const struct wall_mail *mail = &back->message.mail;

    if (!mail_valid(mail)) {
        back_breach(back, "sender");
        return;
    }
    enum wall_sender_code code = check_sender(back, &mail->sender);
    if (code == WALL_SENDER_ACCEPTED && mail->size > back->settings.max_message_size)
        code = WALL_SENDER_TOO_LARGE;
    if (code == WALL_SENDER_ACCEPTED && !room_on_disk(&back->settings, mail->size))
        code = WALL_SENDER_NO_SPACE;
    if (code == WALL_SENDER_ACCEPTED) {
        const struct delivery_client client = {
            .peer = back->start->peer,
            .tls = &back->tls,
            .user = back->auth.user,
            .user_len = back->auth.user_len,
            .lmtp = back->start->role == ROLE_LMTP,
            .submission = role_needs_auth(back->start->role),
        };
        delivery_begin(&back->delivery, &back->settings, &client, mail);
        back->state = BACK_ENVELOPE;
    } else {
        log_sender(back, mail, code);
        bool is_error = code == WALL_SENDER_NOT_YOURS || code == WALL_SENDER_TOO_LARGE;
        if (is_error ? back_too_many_errors(back) : back_too_idle(back, 1))
            return;
    }
    back->message.type = WALL_SENDER;
    back->message.sender = code;
    back_answer(back);
}

/* The time that takes is not the front's. */
static void do_commit(struct back *back)
{
    int64_t begun = clock_ms();
    struct wall_result *result = &back->message.result;

    uint64_t recipients = back->delivery.recipients;

    back->message.type = WALL_RESULT;
    delivery_commit(&back->delivery, result);
    bool delivered = memchr(result->codes, WALL_DELIVERED, result->count) != NULL;
    back->messages += delivered;
    back->state = BACK_IDLE;
    back->deadline += clock_ms() - begun;
    if (delivered)
        back->idle = 0;
    else if (back_too_idle(back, 1 + recipients))
        return;
    back_answer(back);
}

/* The front has seen what is wrong with it, before its end. */
static void log_refused_message(const struct back *back, const char *reason, enum reply told)
{
    char reply[REPLY_STATUS_MAX];
    const struct delivery_outcome outcome = {.reply = reply_status(told, reply), .reason = reason};

    if (back->state == BACK_ENVELOPE || back->state == BACK_TEXT)
        delivery_log(&back->delivery, EVENT_REFUSED_MESSAGE, &outcome);
    else
        log_event(EVENT_REFUSED_MESSAGE, "reason", reason, "reply", reply, NULL);
}

static void do_note(struct back *back)
{
    static const char *const names[WALL_NOTES] = {
        /* that is all an honest front says here */
        [WALL_NOTE_QUIT] = "quit",
        [WALL_NOTE_CLOSED] = "closed by client",
        [WALL_NOTE_IDLE] = "idle",
        [WALL_NOTE_TOO_LONG] = "session too long",
        [WALL_NOTE_TOO_SLOW] = "message too slow",
        [WALL_NOTE_ERRORS] = "too many errors",
        [WALL_NOTE_MESSAGES] = "too many messages",
        [WALL_NOTE_NO_MESSAGE] = "too many commands",
        [WALL_NOTE_HTTP] = "HTTP",
        [WALL_NOTE_AUTH] = "authentication failed",
        [WALL_NOTE_CHUNK] = "chunk of unknown length",
        [WALL_NOTE_TLS] = "TLS handshake",
        [WALL_NOTE_FAULT] = "fault",
        [WALL_NOTE_BARE_NEWLINE] = "bare newline",
        [WALL_NOTE_TOO_LARGE] = "too large",
        [WALL_NOTE_HOPS] = "too many hops",
    };

    const struct wall_noted noted = back->message.noted;
    uint32_t note = noted.note;

    if (note == WALL_NOTE_HANDED_OVER && back->state == BACK_LEAVING) {
        back->bytes += noted.bytes;
        back->state = BACK_HANDED_OVER;
    } else if (note >= WALL_NOTES || names[note] == NULL) {
        back_breach(back, "note");
    } else if (note <= WALL_NOTE_LAST_END) {
        back->bytes += noted.bytes;
        if (noted.in_text && back->state == BACK_ENVELOPE)
            back->state = BACK_TEXT; /* none of it has come yet */
        back_end(back, names[note]);
    } else if (!back_too_many_errors(back)) {
        log_refused_message(back, names[note], told_fault(note));
    }
}

/* What has its place in the midst of a session. */
static void handle_mail(struct back *back, size_t len)
{
    bool has_recipient =
        (back->state == BACK_ENVELOPE || back->state == BACK_TEXT) && back->delivery.count > 0;
    bool may = !role_needs_auth(back->start->role) || back->auth.user_len > 0;
    uint32_t type = back->message.type;

    if (type == WALL_VERIFY && back->settings.vrfy && may) {
        do_address(back, false);
    } else if (type == WALL_MAIL && back->state == BACK_IDLE && may) {
        do_mail(back);
    } else if (type == WALL_RECIPIENT && back->state == BACK_ENVELOPE) {
        do_address(back, true);
    } else if (type == WALL_TEXT && has_recipient) {
        back->state = BACK_TEXT;
        delivery_text(&back->delivery, back->message.text, len);
    } else if (type == WALL_COMMIT && has_recipient) {
        do_commit(back);
    } else if (type == WALL_ABANDON && back->state != BACK_IDLE) {
        delivery_abandon(&back->delivery);
        back->state = BACK_IDLE;
        back_too_idle(back, 1 + back->delivery.recipients);
    } else {
        back_breach(back, "out of order");
    }
}

/* What was read from the database is kept for a transaction at most: a session can go on for long.
 */
static void forget(struct back *back, size_t mark, size_t mailboxes)
{
    bool in_transaction = back->state == BACK_ENVELOPE || back->state == BACK_TEXT;

    if (!in_transaction)
        database_rewind(&back->db, back->settings_end);
    else if (back->delivery.count == mailboxes)
        database_rewind(&back->db, mark);
}

void requests_handle(struct back *back, size_t len)
{
    size_t mark = database_mark(&back->db), mailboxes = back->delivery.count;
    bool in_session =
        back->state == BACK_IDLE || back->state == BACK_ENVELOPE || back->state == BACK_TEXT;
    uint32_t type = back->message.type;

    if (type == WALL_NOTE)
        do_note(back);
    else if (type == WALL_REFUSED)
        requests_refused(back);
    else if (type >= WALL_STARTTLS && type <= WALL_INSECURE)
        requests_tls(back);
    else if (type >= WALL_AUTH && type <= WALL_CANCEL)
        requests_auth(back);
    else if (in_session && back->auth.stage == AUTH_NONE)
        handle_mail(back, len);
    else
        back_breach(back, "out of order");
    forget(back, mark, mailboxes);
}
