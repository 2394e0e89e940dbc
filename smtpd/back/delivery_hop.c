#include "delivery_hop.h"

#include "../base/clock.h"
#include "hop_log.h"

#include <string.h>

int64_t delivery_hop_deadline(void)
{
    return clock_ms() + (int64_t)HOP_RCPT_SECONDS * 1000;
}

/* ---- the question ------------------------------------------------------------------------------
 */

/* BODY=8BITMIME is always requested, because the text is not known yet. It is valid for a text of 7
 * bits as well (RFC 6152 section 3). */
static void ask_for(struct delivery_hop *asked, const struct delivery *delivery,
                    const struct address *recipient)
{
    asked->recipient = recipient;
    asked->mail = (struct wall_hop_mail){
        .sender = delivery->sender,
        .size = delivery->mail.size,
        .eight_bit = true,
        .utf8 = delivery->mail.utf8,
    };
}

void delivery_hop_store(struct delivery_hop *asked, const struct delivery *delivery,
                        const struct address *recipient, const struct directory_match *match,
                        const struct directory_target *target)
{
    ask_for(asked, delivery, recipient);
    asked->path = target->path;
    asked->lmtp = true;
    directory_store_address(match, target, recipient, &asked->address);
}

bool delivery_hop_forward(struct delivery_hop *asked, const struct delivery *delivery,
                          const struct address *recipient, const struct directory_target *target)
{
    struct slice forwarder = delivery->settings->forward_sender;
    struct address *sender = &asked->mail.sender;

    ask_for(asked, delivery, recipient);
    if (forwarder.len > 0 && sender->local_len > 0) /* a bounce stays one */
        address_from_key(forwarder, sender);
    address_from_key(target->address, &asked->address);
    asked->mail.require_tls = delivery->mail.require_tls;
    asked->path = directory_relay(delivery->settings, sender);
    return asked->path.len > 0;
}

bool delivery_hop_relay(struct delivery_hop *asked, const struct delivery *delivery,
                        const struct address *recipient)
{
    ask_for(asked, delivery, recipient);
    asked->address = *recipient;
    asked->mail.require_tls = delivery->mail.require_tls;
    asked->path = directory_relay(delivery->settings, &asked->mail.sender);
    return asked->path.len > 0 && delivery->client.user.len > 0;
}

/* ---- the answer --------------------------------------------------------------------------------
 */

/* Is the client a hand of this host, or does a hop of this host send the message back? Hands greet
 * as SESSION.hop.HOSTNAME. */
static bool is_from_us(const struct delivery *delivery)
{
    const char *hostname = delivery->settings->session.hostname;
    struct slice rest = {delivery->mail.helo, delivery->mail.helo_len};

    slice_cut(&rest, '.');
    struct slice word = slice_cut(&rest, '.');
    return slice_is_word(word, "hop") && slice_is_word(rest, hostname);
}

static void log_loop(const struct delivery *delivery, const struct delivery_hop *asked)
{
    char recipient[ADDRESS_TEXT_MAX], helo[WALL_HELO_MAX + 1], path[SOCKET_PATH_MAX + 1] = "";
    char status[REPLY_STATUS_MAX];
    const struct hop_report report = {
        .hop = path,
        .recipient = recipient,
        .helo = helo,
        .reply = reply_status(verdict_reply(VERDICT_HOP_LOOP, REPLY_RECIPIENT), status),
    };

    memcpy(path, asked->path.at, asked->path.len < sizeof path ? asked->path.len : 0);
    address_write(asked->recipient, recipient);
    *(char *)mempcpy(helo, delivery->mail.helo, delivery->mail.helo_len) = '\0';
    hop_log(EVENT_HOP_LOOP, delivery, &report);
}

/* A stranger who guesses addresses gets the reply, and the log the event, as if the mailboxes were
 * here, so that fail2ban counts it. */
static enum verdict verdict_of(const struct delivery *delivery, const struct delivery_hop *asked)
{
    const struct hop_outcome *outcome = &delivery->refusal.outcome;
    bool is_unknown = outcome->reply.code == 550 && strncmp(outcome->reply.status, "5.1.", 4) == 0;
    bool is_stranger = delivery->client.user.len == 0;

    return outcome->verdict == VERDICT_HOP_REFUSED && is_unknown && is_stranger && asked->lmtp
               ? VERDICT_HOP_UNKNOWN
               : outcome->verdict;
}

bool delivery_hop_is_for_good(enum verdict verdict)
{
    return verdict == VERDICT_HOP_REFUSED || verdict == VERDICT_HOP_UNKNOWN;
}

static void log_answer(const struct delivery *delivery, const struct delivery_hop *asked,
                       enum verdict verdict)
{
    char recipient[ADDRESS_TEXT_MAX], target[ADDRESS_TEXT_MAX];
    bool left_out = asked->one_of_many && delivery_hop_is_for_good(verdict);
    enum event event = left_out                             ? EVENT_TARGET_REFUSED
                       : verdict == VERDICT_HOP_UNAVAILABLE ? EVENT_HOP_UNAVAILABLE
                                                            : EVENT_REFUSED_BY_HOP;

    if (!left_out && !verdict_is_said(verdict) && verdict != VERDICT_HOP_UNAVAILABLE)
        return;
    if (!left_out && verdict == VERDICT_HOP_UNKNOWN)
        return;
    address_write(asked->recipient, recipient);
    address_write(&asked->address, target);
    hop_log_outcome(event, delivery, delivery->refusal.hop, &delivery->refusal.outcome, recipient,
                    left_out ? target : NULL);
}

enum verdict delivery_hop_ask(struct delivery *delivery, const struct delivery_hop *asked,
                              struct hop_recipient **recipient)
{
    struct hop_outcome *outcome = &delivery->refusal.outcome;

    if (is_from_us(delivery)) {
        log_loop(delivery, asked);
        return VERDICT_HOP_LOOP;
    }
    struct hop *hop = hops_get(delivery->hops, asked->path, asked->lmtp, &asked->mail);
    if (hop == NULL)
        return VERDICT_TOO_MANY;
    delivery->refusal.hop = hop;
    size_t number = hops_recipient(hop, &asked->address, asked->deadline, outcome);
    if (outcome->verdict == VERDICT_OK) {
        *recipient = &delivery->hops->recipients[number];
        return VERDICT_OK;
    }
    enum verdict verdict = verdict_of(delivery, asked);
    log_answer(delivery, asked, verdict);
    return verdict;
}

void delivery_hop_log_refused(const struct delivery *delivery, const struct address *recipient,
                              enum verdict verdict)
{
    char text[ADDRESS_TEXT_MAX];

    address_write(recipient, text);
    if (verdict == VERDICT_HOP_REFUSED)
        hop_log_outcome(EVENT_REFUSED_BY_HOP, delivery, delivery->refusal.hop,
                        &delivery->refusal.outcome, text, NULL);
}
