#include "target.h"

#include <stdlib.h>

static int in_order(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    int order = (x->kind->order > y->kind->order) - (x->kind->order < y->kind->order);

    if (order == 0 && x->kind->mailbox != NULL)
        order = (x->part > y->part) - (x->part < y->part);
    if (order == 0)
        order = x->kind->compare(x, y);
    return order != 0 ? order : (x->part > y->part) - (x->part < y->part);
}

void target_sort(struct target *targets, size_t count)
{
    qsort(targets, count, sizeof *targets, in_order);
}

static bool is_together(const struct target *a, const struct target *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind->mailbox != NULL ? a->part == b->part : a->kind->compare(a, b) == 0;
}

size_t target_group(const struct target *targets, size_t count)
{
    size_t end = 0;

    while (end < count && is_together(&targets[0], &targets[end]))
        end++;
    return end;
}

bool target_is_begun(const struct target *targets, size_t count, size_t part)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i].part == part &&
            (targets[i].state == TARGET_DELIVERED || targets[i].state == TARGET_UNCERTAIN))
            return true;
    return false;
}

void target_refuse(struct target *targets, size_t count, enum verdict why)
{
    for (size_t i = 0; i < count; i++) {
        if (targets[i].state != TARGET_WAITING)
            continue;
        targets[i].state = TARGET_REFUSED;
        targets[i].verdict = why;
    }
}

static void drop(struct target *targets, size_t count, size_t part)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i].part == part && targets[i].state == TARGET_WAITING)
            targets[i].state = TARGET_DROPPED;
}

void target_end_parts(struct target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i].state == TARGET_REFUSED && !target_is_begun(targets, count, targets[i].part))
            drop(targets, count, targets[i].part);
}

/* To all of them, or to none. */
static enum verdict deliver(const struct target_message *message, struct target *targets,
                            size_t count)
{
    const struct target_mailbox *mailbox = targets->kind->mailbox;

    for (size_t i = 0; i < count; i++)
        targets[i].prepared = true;
    enum verdict verdict = mailbox->prepare(message, targets, count);
    if (verdict == VERDICT_OK)
        verdict = mailbox->send(message, targets, count);
    if (verdict == VERDICT_OK)
        mailbox->settle(message, targets, count);
    else
        mailbox->undo(message, targets, count, verdict);
    for (size_t i = 0; i < count; i++) {
        targets[i].state = verdict == VERDICT_OK ? TARGET_DELIVERED : TARGET_REFUSED;
        targets[i].verdict = verdict;
    }
    return verdict;
}

void target_deliver(const struct target_message *message, struct target *targets, size_t count,
                    bool begun)
{
    /* In a part that is not begun, either all wait or none. */
    if (count > 0 && !begun && targets->state == TARGET_WAITING)
        deliver(message, targets, count);
    for (size_t i = 0; i < count && begun; i++)
        if (targets[i].state == TARGET_WAITING)
            deliver(message, &targets[i], 1);
}

void target_close(struct target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (targets[i].prepared)
            targets[i].kind->mailbox->close(&targets[i]);
        targets[i].prepared = false;
    }
}
