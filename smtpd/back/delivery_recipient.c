#include "delivery_recipient.h"

#include "delivery.h"
#include "delivery_hop.h"
#include "hops.h"
#include "relay_limit.h"
#include "target_hop.h"
#include "target_mbox.h"

/* A new target, which counts once delivery->count is raised; NULL if there are too many. */
static struct target *next_target(struct delivery *delivery, const struct target_kind *kind)
{
    struct target *target = &delivery->targets[delivery->count];

    if (delivery->count == DIRECTORY_MAILBOXES_MAX)
        return NULL;
    *target = (struct target){
        .kind = kind,
        .settings = delivery->settings,
        .asked = (size_t)delivery->recipients,
        .part = delivery->each ? (size_t)delivery->recipients : 0,
    };
    return target;
}

/* ---- mailboxes ---------------------------------------------------------------------------------
 */

/* Is it among the targets, from this one on? */
static bool has_mailbox(const struct delivery *delivery, size_t from, struct slice mailbox)
{
    for (size_t i = from; i < delivery->count; i++)
        if (delivery->targets[i].kind == &target_mbox &&
            slice_equal(delivery->targets[i].user.mailbox, mailbox))
            return true;
    return false;
}

static enum verdict add_mailbox(struct delivery *delivery, size_t from,
                                const struct directory_user *user)
{
    if (has_mailbox(delivery, from, user->mailbox))
        return VERDICT_OK;
    struct target *target = next_target(delivery, &target_mbox);
    if (target == NULL)
        return VERDICT_TOO_MANY;
    target->user = *user;
    enum verdict verdict = target->kind->mailbox->ask(target, delivery->mail.size);
    delivery->count += verdict == VERDICT_OK;
    return verdict;
}

/* ---- hops --------------------------------------------------------------------------------------
 */

static bool has_recipient(const struct delivery *delivery, size_t from,
                          const struct hop_recipient *recipient)
{
    for (size_t i = from; i < delivery->count; i++)
        if (delivery->targets[i].kind != &target_mbox &&
            delivery->targets[i].recipient == recipient)
            return true;
    return false;
}

static enum verdict add_hop(struct delivery *delivery, size_t from,
                            const struct delivery_hop *asked, const struct directory_user *user)
{
    struct hop_recipient *recipient;
    struct target *target = next_target(delivery, asked->lmtp ? &target_store : &target_relay);

    if (target == NULL)
        return VERDICT_TOO_MANY;
    enum verdict verdict = delivery_hop_ask(delivery, asked, &recipient);
    if (verdict != VERDICT_OK || has_recipient(delivery, from, recipient))
        return verdict;
    target->user = *user;
    target->recipient = recipient;
    delivery->count++;
    return VERDICT_OK;
}

/* ---- a recipient -------------------------------------------------------------------------------
 */

/* What is the same for all of a recipient's targets. */
struct adding {
    struct delivery *delivery;
    const struct address *recipient;
    const struct directory_match *match;
    size_t from; /* the first target that another one may be equal to */
    int64_t deadline;
    bool alias; /* it has several targets */
};

static enum verdict add_target(const struct adding *adding, const struct directory_target *found)
{
    struct delivery_hop asked = {.deadline = adding->deadline, .one_of_many = adding->alias};

    if (found->kind == DIRECTORY_MAILBOX)
        return add_mailbox(adding->delivery, adding->from, &found->user);
    if (found->kind == DIRECTORY_STORE)
        delivery_hop_store(&asked, adding->delivery, adding->recipient, adding->match, found);
    else if (!delivery_hop_forward(&asked, adding->delivery, adding->recipient, found))
        return VERDICT_FOREIGN;
    return add_hop(adding->delivery, adding->from, &asked, &found->user);
}

static bool has_several(const struct directory_match *match)
{
    struct slice rest = match->targets;

    slice_cut(&rest, '\n');
    return rest.len > 0;
}

/* Adds the targets of one recipient. `refused`: how a hop has refused those that were left out. */
static enum verdict add_targets(const struct adding *adding, struct database *db,
                                enum verdict *refused)
{
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

/* The recipient is part of the transaction. */
static enum verdict accept(struct delivery *delivery, const struct address *recipient,
                           size_t before)
{
    for (size_t i = before; i < delivery->count; i++) {
        if (delivery->targets[i].kind == &target_mbox)
            message_goes_to(&delivery->message, delivery->targets[i].user.mailbox);
        else
            message_goes_onward(&delivery->message);
    }
    if (delivery->recipients < WALL_RESULTS_MAX)
        delivery->asked[delivery->recipients] = *recipient;
    delivery->recipient = *recipient;
    delivery_list(delivery, recipient);
    delivery->recipients++;
    return VERDICT_OK;
}

/* Where each has a result, most recipients have a target of their own, and those are counted; but
 * those without one need memory too. */
static bool is_full(const struct delivery *delivery)
{
    return delivery->each && delivery->recipients == WALL_RESULTS_MAX;
}

enum verdict delivery_add(struct delivery *delivery, struct database *db,
                          const struct address *recipient, const struct directory_match *match)
{
    size_t before = delivery->count, hops_before = delivery->hops->count;
    enum verdict refused;

    if (is_full(delivery))
        return VERDICT_TOO_MANY;
    const struct adding adding = {
        .delivery = delivery,
        .recipient = recipient,
        .match = match,
        .from = delivery->each ? before : 0,
        .deadline = delivery_hop_deadline(),
        .alias = has_several(match),
    };
    enum verdict added = add_targets(&adding, db, &refused);
    if (added == VERDICT_OK)
        return accept(delivery, recipient, before);
    delivery->count = before;
    hops_forget(delivery->hops, hops_before);
    if (added == refused && adding.alias)
        delivery_hop_log_refused(delivery, recipient, added);
    return added;
}

bool delivery_may_relay(const struct delivery *delivery, const struct address *recipient)
{
    struct delivery_hop asked;

    return delivery_hop_relay(&asked, delivery, recipient);
}

enum verdict delivery_add_elsewhere(struct delivery *delivery, const struct address *recipient)
{
    struct delivery_hop asked = {.deadline = delivery_hop_deadline()};
    size_t before = delivery->count;

    if (!delivery_hop_relay(&asked, delivery, recipient))
        return VERDICT_FOREIGN;
    if (is_full(delivery))
        return VERDICT_TOO_MANY;
    enum verdict verdict = relay_limit_take(delivery->settings, delivery->client.user, 1);
    if (verdict == VERDICT_OK)
        verdict =
            add_hop(delivery, delivery->each ? before : 0, &asked, &(struct directory_user){0});
    return verdict == VERDICT_OK ? accept(delivery, recipient, before) : verdict;
}

enum verdict delivery_add_discarded(struct delivery *delivery, const struct address *recipient)
{
    return is_full(delivery) ? VERDICT_TOO_MANY : accept(delivery, recipient, delivery->count);
}
