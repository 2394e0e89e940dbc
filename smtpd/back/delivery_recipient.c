#include "delivery_recipient.h"

#include "delivery.h"
#include "delivery_hop.h"
#include "hops.h"
#include "milters.h"
#include "relay_limit.h"
#include "target_hop.h"
#include "target_mbox.h"

/* A recipient whose targets are being found. */
struct adding {
    struct delivery *delivery;
    const struct address *recipient;
    size_t number; /* of the recipient */
    size_t before; /* so many targets were there */
    size_t hops_before;
    size_t from; /* the first target that another one may be equal to */
    const struct directory_match *match;
    int64_t deadline;
    bool alias; /* it has several targets */
};

static struct adding begin(struct delivery *delivery, const struct address *recipient,
                           size_t number)
{
    return (struct adding){
        .delivery = delivery,
        .recipient = recipient,
        .number = number,
        .before = delivery->count,
        .hops_before = delivery->hops->count,
        .from = delivery->each ? delivery->count : 0,
        .deadline = delivery_hop_deadline(),
    };
}

/* A new target, which counts once delivery->count is raised; NULL if there are too many. */
static struct target *next_target(const struct adding *adding, const struct target_kind *kind)
{
    struct delivery *delivery = adding->delivery;
    struct target *target = &delivery->targets[delivery->count];

    if (delivery->count == DIRECTORY_MAILBOXES_MAX)
        return NULL;
    *target = (struct target){
        .kind = kind,
        .settings = delivery->settings,
        .asked = adding->number,
        .part = delivery->each && adding->number < DELIVERY_ADDED ? adding->number : 0,
    };
    return target;
}

/* ---- mailboxes ---------------------------------------------------------------------------------
 */

/* Is it among the targets that count? */
static bool has_mailbox(const struct adding *adding, struct slice mailbox)
{
    const struct delivery *delivery = adding->delivery;

    for (size_t i = adding->from; i < delivery->count; i++)
        if (delivery->targets[i].kind == &target_mbox &&
            slice_equal(delivery->targets[i].user.mailbox, mailbox))
            return true;
    return false;
}

static enum verdict add_mailbox(const struct adding *adding, const struct directory_user *user)
{
    struct delivery *delivery = adding->delivery;

    if (has_mailbox(adding, user->mailbox))
        return VERDICT_OK;
    struct target *target = next_target(adding, &target_mbox);
    if (target == NULL)
        return VERDICT_TOO_MANY;
    target->user = *user;
    enum verdict verdict = target->kind->mailbox->ask(target, delivery->mail.size);
    delivery->count += verdict == VERDICT_OK;
    return verdict;
}

/* ---- hops --------------------------------------------------------------------------------------
 */

static bool has_recipient(const struct adding *adding, const struct hop_recipient *recipient)
{
    const struct delivery *delivery = adding->delivery;

    for (size_t i = adding->from; i < delivery->count; i++)
        if (delivery->targets[i].kind != &target_mbox &&
            delivery->targets[i].recipient == recipient)
            return true;
    return false;
}

static enum verdict add_hop(const struct adding *adding, const struct delivery_hop *asked,
                            const struct directory_user *user)
{
    struct delivery *delivery = adding->delivery;
    struct hop_recipient *recipient;
    struct target *target = next_target(adding, asked->lmtp ? &target_store : &target_relay);

    if (target == NULL)
        return VERDICT_TOO_MANY;
    enum verdict verdict = delivery_hop_ask(delivery, asked, &recipient);
    if (verdict != VERDICT_OK || has_recipient(adding, recipient))
        return verdict;
    target->user = *user;
    target->recipient = recipient;
    delivery->count++;
    return VERDICT_OK;
}

/* ---- a recipient -------------------------------------------------------------------------------
 */

static enum verdict add_target(const struct adding *adding, const struct directory_target *found)
{
    struct delivery_hop asked = {.deadline = adding->deadline, .one_of_many = adding->alias};

    if (found->kind == DIRECTORY_MAILBOX)
        return add_mailbox(adding, &found->user);
    if (found->kind == DIRECTORY_STORE)
        delivery_hop_store(&asked, adding->delivery, adding->recipient, adding->match, found);
    else if (!delivery_hop_forward(&asked, adding->delivery, adding->recipient, found))
        return VERDICT_FOREIGN;
    return add_hop(adding, &asked, &found->user);
}

static bool has_several(const struct directory_match *match)
{
    struct slice rest = match->targets;

    slice_cut(&rest, '\n');
    return rest.len > 0;
}

/* `refused`: how a hop has refused those that were left out. */
static enum verdict add_some(const struct adding *adding, enum verdict *refused)
{
    struct database *db = adding->delivery->db;
    struct directory_match rest = *adding->match;
    struct directory_target found;
    bool remains = false;
    int more;

    *refused = VERDICT_OK;
    while ((more = directory_next_target(db, &rest, &found)) == 1) {
        if (found.user.disabled)
            continue;
        enum verdict verdict = add_target(adding, &found);
        bool for_good = delivery_hop_is_for_good(verdict);
        if (verdict != VERDICT_OK && !for_good)
            return verdict;
        if (for_good)
            *refused = verdict;
        remains |= !for_good;
    }
    if (more < 0)
        return VERDICT_DATABASE;
    return remains ? VERDICT_OK : *refused;
}

/* Adds the targets of a local recipient: all that it needs, or none. */
static enum verdict add_local(struct adding *adding, const struct directory_match *match)
{
    struct delivery *delivery = adding->delivery;
    enum verdict refused;

    adding->match = match;
    adding->alias = has_several(match);
    enum verdict added = add_some(adding, &refused);
    if (added == VERDICT_OK)
        return added;
    delivery->count = adding->before;
    hops_forget(delivery->hops, adding->hops_before);
    if (added == refused && adding->alias)
        delivery_hop_log_refused(delivery, adding->recipient, added);
    return added;
}

/* Adds the target of one in another domain. counts: the user's limit does. */
static enum verdict add_elsewhere(const struct adding *adding, bool counts)
{
    struct delivery_hop asked = {.deadline = adding->deadline};
    struct delivery *delivery = adding->delivery;

    if (!delivery_hop_relay(&asked, delivery, adding->recipient))
        return VERDICT_FOREIGN;
    enum verdict verdict =
        counts ? relay_limit_take(delivery->settings, delivery->client.user, 1) : VERDICT_OK;
    return verdict == VERDICT_OK ? add_hop(adding, &asked, &(struct directory_user){0}) : verdict;
}

/* The text goes there. */
static void note_places(const struct adding *adding)
{
    struct delivery *delivery = adding->delivery;

    for (size_t i = adding->before; i < delivery->count; i++) {
        if (delivery->targets[i].kind == &target_mbox)
            message_goes_to(&delivery->message, delivery->targets[i].user.mailbox);
        else
            message_goes_onward(&delivery->message);
    }
}

/* The recipient is part of the transaction. */
static enum verdict accept(const struct adding *adding)
{
    struct delivery *delivery = adding->delivery;

    note_places(adding);
    if (delivery->recipients < WALL_RESULTS_MAX)
        delivery->asked[delivery->recipients] = *adding->recipient;
    delivery->recipient = *adding->recipient;
    delivery_list(delivery, adding->recipient);
    delivery->recipients++;
    return VERDICT_OK;
}

/* Where each has a result, most recipients have a target of their own, and those are counted; but
 * those without one need memory too. Filters may take away each of them. */
static bool is_full(const struct delivery *delivery)
{
    bool all_count = delivery->each || milters_count(delivery->milters) > 0;

    return all_count && delivery->recipients == WALL_RESULTS_MAX;
}

enum verdict delivery_add(struct delivery *delivery, const struct address *recipient,
                          const struct directory_match *match)
{
    struct adding adding = begin(delivery, recipient, (size_t)delivery->recipients);

    if (is_full(delivery))
        return VERDICT_TOO_MANY;
    enum verdict verdict = add_local(&adding, match);
    return verdict == VERDICT_OK ? accept(&adding) : verdict;
}

bool delivery_may_relay(const struct delivery *delivery, const struct address *recipient)
{
    struct delivery_hop asked;

    return delivery_hop_relay(&asked, delivery, recipient);
}

enum verdict delivery_add_elsewhere(struct delivery *delivery, const struct address *recipient)
{
    struct adding adding = begin(delivery, recipient, (size_t)delivery->recipients);

    if (is_full(delivery))
        return VERDICT_TOO_MANY;
    enum verdict verdict = add_elsewhere(&adding, true);
    return verdict == VERDICT_OK ? accept(&adding) : verdict;
}

enum verdict delivery_add_discarded(struct delivery *delivery, const struct address *recipient)
{
    const struct adding adding = begin(delivery, recipient, (size_t)delivery->recipients);

    return is_full(delivery) ? VERDICT_TOO_MANY : accept(&adding);
}

enum verdict delivery_add_again(struct delivery *delivery, const struct address *recipient,
                                size_t number)
{
    struct adding adding = begin(delivery, recipient, number);
    struct directory_match match;
    enum verdict verdict = directory_find(delivery->db, delivery->settings, recipient, &match);

    if (verdict == VERDICT_FOREIGN)
        verdict = add_elsewhere(&adding, number >= DELIVERY_ADDED);
    else if (verdict_accepts(verdict))
        verdict = add_local(&adding, &match);
    if (verdict == VERDICT_OK)
        note_places(&adding);
    return verdict;
}
