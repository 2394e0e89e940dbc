#include "hop.h"

#include "hop_hand.h"
#include "wait.h"

#include <errno.h>
#include <string.h>

/* ---- the envelope ------------------------------------------------------------------------------
 */

static bool is_of(const struct hop_recipient *recipient, const struct hop *hop)
{
    return recipient->hop == hop && !recipient->left_out;
}

/* Does the hop accept it, as far as is known? */
static bool is_accepted(const struct hop_recipient *recipient, const struct hop *hop)
{
    return is_of(recipient, hop) && recipient->outcome.verdict == VERDICT_OK;
}

static bool is_connected(const struct hop *hop)
{
    return hop->hand.pid != 0;
}

static bool tell(struct hop *hop, enum wall_type type, enum hop_step step, int64_t deadline,
                 struct hop_outcome *outcome)
{
    hop->hops->message.type = type;
    return hop_hand_tell(hop, 0, step, deadline, outcome);
}

/* What the hop has offered decides. */
static bool decide(struct hop_outcome *outcome, enum hop_step step, enum verdict verdict)
{
    *outcome = (struct hop_outcome){.verdict = verdict, .reply.step = step};
    return verdict == VERDICT_OK;
}

static bool has_room(const struct hop *hop, struct hop_outcome *outcome)
{
    bool fits = hop->offers.size == 0 || hop->mail.size <= hop->offers.size;

    return decide(outcome, HOP_MAIL, fits ? VERDICT_OK : VERDICT_TOO_LARGE);
}

/* RFC 8689 section 4.2.1. The relay offers it only where the certificate of the smarthost is
 * verified. */
static bool has_tls(const struct hop *hop, struct hop_outcome *outcome)
{
    bool has = !hop->mail.require_tls || (hop->offers.extensions & HOP_REQUIRETLS) != 0;

    return decide(outcome, HOP_MAIL, has ? VERDICT_OK : VERDICT_HOP_REQUIRETLS);
}

static bool can_write(const struct hop *hop, const struct address *address, enum hop_step step,
                      struct hop_outcome *outcome)
{
    bool can = (hop->offers.extensions & HOP_SMTPUTF8) != 0 || address_is_ascii(address);

    return decide(outcome, step, can ? VERDICT_OK : VERDICT_HOP_SMTPUTF8);
}

/* Asks for a recipient. False: there is no answer, or the hop has refused MAIL. */
static bool ask(struct hop *hop, const struct address *address, int64_t deadline,
                struct hop_outcome *outcome)
{
    if (!can_write(hop, address, HOP_RCPT, outcome))
        return true;
    hop->hops->message.address = *address;
    if (!tell(hop, WALL_HOP_RCPT, HOP_RCPT, deadline, outcome))
        return false;
    hop_hand_reply(hop, HOP_RCPT, deadline, outcome);
    if (outcome->reply.step == HOP_RESET)
        hop_hand_end(hop);
    return is_connected(hop) && outcome->reply.step == HOP_RCPT;
}

/* What it was told before does not count any more. */
static bool start_over(struct hop *hop, int64_t deadline, struct hop_outcome *outcome)
{
    bool fresh = !is_connected(hop);

    if (fresh && !hop_hand_start(hop, deadline, outcome))
        return false;
    if (!fresh && hop->dirty && !tell(hop, WALL_HOP_RESET, HOP_RESET, deadline, outcome))
        return false;
    if (!has_room(hop, outcome) || !has_tls(hop, outcome) ||
        !can_write(hop, &hop->mail.sender, HOP_MAIL, outcome))
        return false;
    hop->dirty = true;
    hop->hops->message.hop_mail = hop->mail;
    return tell(hop, WALL_HOP_MAIL, HOP_MAIL, deadline, outcome);
}

/* Tells it what it does not know of the envelope. What it says now of recipients that it had
 * accepted before counts at the end of the message. */
static bool tell_envelope(struct hop *hop, int64_t deadline, struct hop_outcome *outcome)
{
    struct hops *hops = hop->hops;

    if (is_connected(hop) && hop->told)
        return true;
    hop->told = false;
    hop->in_use = true;
    if (!start_over(hop, deadline, outcome))
        return false;
    for (size_t i = 0; i < hops->count; i++) {
        struct hop_recipient *recipient = &hops->recipients[i];
        if (!is_of(recipient, hop))
            continue;
        if (!ask(hop, &recipient->address, deadline, outcome))
            return false;
        recipient->outcome = *outcome;
    }
    hop->told = true;
    return true;
}

/* A hop that was connected before may have hung up meanwhile, perhaps after 421. */
static bool has_hung_up(const struct hop *hop, const struct hop_outcome *outcome)
{
    const struct wall_hop_reply *reply = &outcome->reply;

    return !is_connected(hop) && !outcome->given_up &&
           (reply->fault == HOP_CLOSED || reply->code == 421);
}

static bool try_recipient(struct hop *hop, const struct address *address, int64_t deadline,
                          struct hop_outcome *outcome)
{
    return tell_envelope(hop, deadline, outcome) && ask(hop, address, deadline, outcome);
}

void hop_recipient(struct hop *hop, const struct address *address, int64_t deadline,
                   struct hop_outcome *outcome)
{
    bool kept = is_connected(hop);

    if (!try_recipient(hop, address, deadline, outcome) && kept && has_hung_up(hop, outcome))
        try_recipient(hop, address, deadline, outcome);
}

/* ---- the text ----------------------------------------------------------------------------------
 */

/* Has it accepted somebody? If not, the outcome is what it says of the first. */
static bool has_recipient(const struct hop *hop, struct hop_outcome *outcome)
{
    const struct hop_recipient *first = NULL;

    for (size_t i = 0; i < hop->hops->count; i++) {
        const struct hop_recipient *recipient = &hop->hops->recipients[i];
        if (is_accepted(recipient, hop))
            return true;
        if (first == NULL && is_of(recipient, hop))
            first = recipient;
    }
    *outcome = (struct hop_outcome){.verdict = VERDICT_FAILED};
    if (first != NULL)
        *outcome = first->outcome;
    return false;
}

static bool try_data(struct hop *hop, int64_t deadline, struct hop_outcome *outcome)
{
    return tell_envelope(hop, deadline, outcome) && has_recipient(hop, outcome) &&
           tell(hop, WALL_HOP_DATA, HOP_DATA, deadline, outcome) &&
           hop_hand_reply(hop, HOP_DATA, deadline, outcome);
}

struct text {
    struct hop *hop;
    int64_t deadline;
    struct hop_outcome *outcome;
};

/* Sends a part of the text. 0, or -1: the outcome says why. */
static int send_text(void *context, const char *bytes, size_t len)
{
    const struct text *text = context;
    struct wall_message *message = &text->hop->hops->message;

    while (len > 0) {
        size_t part = len < sizeof message->text ? len : sizeof message->text;
        if (hop_hand_has_fault(text->hop))
            return hop_hand_reply(text->hop, HOP_TEXT, text->deadline, text->outcome) - 1;
        message->type = WALL_TEXT;
        memcpy(message->text, bytes, part);
        if (!hop_hand_tell(text->hop, part, HOP_TEXT, text->deadline, text->outcome))
            return -1;
        bytes += part;
        len -= part;
    }
    return 0;
}

static bool send_all(struct hop *hop, const struct hop_message *message, int64_t deadline,
                     struct hop_outcome *outcome)
{
    struct text text = {hop, deadline, outcome};
    struct spool *spool = message->spool;

    if (spool_copy_part(spool, 0, message->above, send_text, &text) == 0 &&
        send_text(&text, message->received.at, message->received.len) == 0 &&
        spool_copy_part(spool, message->above, spool->size, send_text, &text) == 0)
        return true;
    if (is_connected(hop)) /* the spool cannot be read */
        hop_outcome_fail(outcome, HOP_TEXT, strerror(errno));
    return false;
}

void hop_text(struct hop *hop, const struct hop_message *message, int64_t deadline,
              struct hop_outcome *outcome)
{
    bool kept = is_connected(hop);
    bool good = try_data(hop, deadline, outcome);

    if (!good && kept && has_hung_up(hop, outcome))
        good = try_data(hop, deadline, outcome);
    hop->in_text = good;
    if (!good || !send_all(hop, message, deadline, outcome))
        hop_reset(hop);
}

/* The outcome of all recipients that it has the text for. */
static void tell_all(const struct hop *hop, const struct hop_outcome *outcome)
{
    for (size_t i = 0; i < hop->hops->count; i++) {
        struct hop_recipient *recipient = &hop->hops->recipients[i];
        if (is_accepted(recipient, hop))
            recipient->outcome = *outcome;
    }
}

bool hop_has_failed(struct hop *hop, int64_t deadline)
{
    struct hop_outcome outcome;

    if (!hop_hand_has_fault(hop))
        return false;
    if (hop_hand_reply(hop, HOP_TEXT, deadline, &outcome)) /* nothing good is due now */
        hop_outcome_fail(&outcome, HOP_TEXT, "a reply before its command");
    tell_all(hop, &outcome);
    return true;
}

int hop_dot(struct hop *hop, int64_t deadline)
{
    struct hop_outcome outcome;

    if (hop_has_failed(hop, deadline))
        return -1;
    if (!tell(hop, WALL_HOP_DOT, HOP_TEXT, deadline, &outcome)) {
        tell_all(hop, &outcome);
        return -1;
    }
    hop->dotted = true;
    wait_commit(true);
    return 0;
}

void hop_results(struct hop *hop, int64_t deadline)
{
    struct hop_outcome outcome;
    bool known = false, left = false;

    for (size_t i = 0; i < hop->hops->count; i++) {
        struct hop_recipient *recipient = &hop->hops->recipients[i];
        if (!is_accepted(recipient, hop))
            continue;
        if (hop->lmtp || !known)
            hop_hand_reply(hop, HOP_DOT, deadline, &outcome);
        known = true;
        left = left || outcome.reply.code == 421;
        recipient->outcome = outcome;
    }
    if (left)
        hop_hand_end(hop);
    hop->in_text = hop->dotted = hop->dirty = hop->told = false;
}

void hop_reset(struct hop *hop)
{
    if (hop->in_text)
        worker_end(&hop->hand, 0);
    if (hop->dirty && hop_hand_reset(hop))
        hop->dirty = false;
    hop->in_text = hop->dotted = hop->told = hop->in_use = false;
}
