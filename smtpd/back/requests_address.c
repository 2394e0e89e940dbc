#include "../base/clock.h"
#include "delivery_recipient.h"
#include "log.h"
#include "requests_report.h"
#include "requests_said.h"
#include "requests_table.h"
#include "wait.h"

#include <string.h>

/* Where it goes: VERDICT_OK: to another domain; or why it must not. */
static enum verdict find(struct back *back, const struct address *address,
                         struct directory_match *match)
{
    enum verdict verdict =
        back_found(back, directory_find(&back->db, &back->settings, address, match));

    if (back->delivery.recipients >= back->settings.session.max_recipients)
        return VERDICT_TOO_MANY;
    if (verdict == VERDICT_FOREIGN && delivery_may_relay(&back->delivery, address))
        return VERDICT_OK;
    return verdict;
}

/* Directory, filters, hop: each is asked if the one before it accepts. */
static enum verdict add_recipient(struct back *back, const struct address *address)
{
    struct directory_match match;
    enum verdict found = find(back, address, &match);
    enum verdict verdict = milters_recipient(&back->milters, address, found);

    if (!verdict_accepts(verdict))
        return verdict;
    if (back->delivery.discarded_by != NULL)
        return delivery_add_discarded(&back->delivery, address);
    if (found == VERDICT_OK)
        return delivery_add_elsewhere(&back->delivery, address);
    return back_found(back, delivery_add(&back->delivery, address, &match));
}

/* Has delivery_recipient.h or milters.h logged it? */
static bool is_logged(enum verdict verdict)
{
    return verdict == VERDICT_HOP_REFUSED || verdict == VERDICT_HOP_DEFERRED ||
           verdict == VERDICT_HOP_UNAVAILABLE || verdict == VERDICT_HOP_LOOP ||
           verdict == VERDICT_MILTER_UNAVAILABLE || verdict_is_of_milter(verdict);
}

static void log_refusal(struct back *back, const struct address *address, enum verdict verdict)
{
    bool in_transaction = (back->state & BACK_TRANSACTION) != 0;
    const struct wall_mail *mail = in_transaction ? &back->delivery.mail : NULL;
    char text[ADDRESS_TEXT_MAX], sender[ADDRESS_TEXT_MAX], helo[WALL_HELO_MAX + 1];
    char login[ADDRESS_TEXT_MAX], status[REPLY_STATUS_MAX];
    enum reply reply = verdict_reply(verdict, REPLY_RECIPIENT);

    if (is_logged(verdict))
        return;
    address_write(address, text);
    requests_report_user(back, login);
    if (mail != NULL) {
        address_write(&mail->sender, sender);
        *(char *)mempcpy(helo, mail->helo, mail->helo_len) = '\0';
    }
    reply_status(reply, status);
    if (verdict_is_said(verdict))
        hop_outcome_status(&back->delivery.refusal.outcome, status);
    enum event recipient_event =
        reply_class(reply) == 5 ? EVENT_REFUSED_RECIPIENT : EVENT_DEFERRED_RECIPIENT;
    log_event(recipient_event, "recipient", text, "reason", verdict_word(verdict), "reply", status,
              "sender", mail == NULL ? NULL : sender, "helo", mail == NULL ? NULL : helo, "login",
              login[0] == '\0' ? NULL : login, NULL);
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
    requests_said(back, verdict->code);
    if (back->state == BACK_DONE)
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
    verdict.code = back_found(back, directory_verify(&back->db, &back->settings, &address,
                                                     verdict.names, &verdict.count));
    if (verdict.code == VERDICT_ALIAS) /* which of the two it is concerns no client */
        verdict.code = VERDICT_USER;
    answer_address(back, &address, &verdict, true);
}

static bool is_unavailable(uint32_t verdict)
{
    return verdict == VERDICT_HOP_UNAVAILABLE || verdict == VERDICT_MILTER_UNAVAILABLE;
}

void requests_recipient(struct back *back)
{
    struct address address = back->message.address;

    if (!is_valid(&address) || (!back->delivery.mail.utf8 && !address_is_ascii(&address))) {
        back_breach(back, "address");
        return;
    }
    int64_t begun = clock_ms();
    const struct wall_verdict verdict = {.code = add_recipient(back, &address)};
    back->deadline += clock_ms() - begun; /* the time of others does not count as the front's */
    if (back->delivery.recipients > 0)
        back->state = BACK_READY;
    if (is_unavailable(verdict.code) && wait_stopped() != 0)
        back_stop(back);
    else
        answer_address(back, &address, &verdict, false);
}
