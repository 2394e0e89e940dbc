#include "reach.h"

/* All targets of the transaction. */
struct all {
    const struct target_message *message;
    struct target *targets;
    size_t count;
};

/* Those of one hop. */
struct group {
    struct target *targets;
    size_t count;
};

bool reach_is_needed(const struct target *targets, size_t count)
{
    return count > 0 && targets->kind->hop != NULL;
}

/* The next hop after this one; a zeroed group is before the first. False: there is no other. */
static bool next(const struct all *all, struct group *group)
{
    struct target *begin = group->count == 0 ? all->targets : group->targets + group->count;
    size_t left = all->count - (size_t)(begin - all->targets);

    if (!reach_is_needed(begin, left))
        return false;
    *group = (struct group){begin, target_group(begin, left)};
    return true;
}

static bool waits(struct group group)
{
    for (size_t i = 0; i < group.count; i++)
        if (group.targets[i].state == TARGET_WAITING)
            return true;
    return false;
}

/* Has it the text for those that wait, and for nobody else? */
static bool has_right_text(struct group group)
{
    for (size_t i = 0; i < group.count; i++)
        if (group.targets[i].has_text != (group.targets[i].state == TARGET_WAITING))
            return false;
    return true;
}

static void set_has_text(struct group group)
{
    for (size_t i = 0; i < group.count; i++)
        group.targets[i].has_text = group.targets[i].state == TARGET_WAITING;
}

static void abandon(const struct all *all, struct group group)
{
    bool has_text = false;

    for (size_t i = 0; i < group.count; i++) {
        has_text = has_text || group.targets[i].has_text;
        group.targets[i].has_text = false;
    }
    if (has_text)
        group.targets->kind->hop->abandon(all->message, group.targets, group.count);
}

/* If it fails, parts end: other hops may have the text for too many then. */
static void send_text(const struct all *all, struct group group)
{
    abandon(all, group);
    if (!waits(group))
        return;
    group.targets->kind->hop->text(all->message, group.targets, group.count);
    set_has_text(group);
    target_end_parts(all->targets, all->count);
}

static void send_texts(const struct all *all)
{
    for (bool again = true; again;) {
        again = false;
        for (struct group group = {0}; next(all, &group);) {
            if (has_right_text(group))
                continue;
            send_text(all, group);
            again = true;
        }
    }
}

/* Hops that got the text early may have hung up since. */
static void look_at_hops(const struct all *all)
{
    for (struct group group = {0}; next(all, &group);)
        if (waits(group)) {
            group.targets->kind->hop->look(all->message, group.targets, group.count);
            set_has_text(group);
        }
    target_end_parts(all->targets, all->count);
}

static void send_dots(const struct all *all)
{
    bool first = true;

    for (struct group group = {0}; next(all, &group);) {
        while (!has_right_text(group)) /* an earlier hop has refused */
            send_text(all, group);
        if (!waits(group))
            continue;
        enum verdict verdict =
            first ? all->message->last_moment(all->message->delivery) : VERDICT_OK;
        if (verdict != VERDICT_OK) {
            target_refuse(all->targets, all->count, verdict);
            break;
        }
        first = false;
        group.targets->kind->hop->dot(all->message, group.targets, group.count);
        set_has_text(group);
        target_end_parts(all->targets, all->count);
    }
    for (struct group group = {0}; next(all, &group);)
        abandon(all, group);
}

static void look_at_mailboxes(const struct all *all)
{
    for (size_t i = 0; i < all->count; i++) {
        struct target *target = &all->targets[i];
        if (target->kind->mailbox == NULL || target->state != TARGET_WAITING)
            continue;
        enum verdict verdict = target->kind->mailbox->look(all->message, target);
        if (verdict != VERDICT_OK)
            target_refuse(target, 1, verdict);
    }
}

void reach(const struct target_message *message, struct target *targets, size_t count)
{
    const struct all all = {message, targets, count};

    look_at_mailboxes(&all);
    target_end_parts(targets, count);
    send_texts(&all);
    look_at_hops(&all);
    send_texts(&all);
    send_dots(&all);
}
