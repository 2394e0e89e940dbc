#include "target.h"

#include <stdlib.h>

/* Targets of one kind. */
struct group {
    const struct target_kind *kind;
    struct target *targets;
    size_t count;
};

static int in_order(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    int order = (x->kind->order > y->kind->order) - (x->kind->order < y->kind->order);

    return order != 0 ? order : x->kind->compare(x, y);
}

static size_t group_by_kind(struct target *targets, size_t count,
                            struct group groups[TARGET_KINDS_MAX])
{
    size_t made = 0;

    qsort(targets, count, sizeof *targets, in_order);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || targets[i].kind != targets[i - 1].kind)
            groups[made++] = (struct group){targets[i].kind, targets + i, 0};
        groups[made - 1].count++;
    }
    return made;
}

static enum verdict prepare(const struct target_message *message, const struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        group->targets[i].prepared = true;
    return group->kind->prepare(message, group->targets, group->count);
}

enum verdict target_deliver(const struct target_message *message, struct target *targets,
                            size_t count)
{
    struct group groups[TARGET_KINDS_MAX];
    size_t kinds = group_by_kind(targets, count, groups), prepared = kinds;
    enum verdict verdict = VERDICT_OK;

    while (prepared > 0 && verdict == VERDICT_OK)
        verdict = prepare(message, &groups[--prepared]);
    for (size_t i = 0; i < kinds && verdict == VERDICT_OK; i++)
        verdict = groups[i].kind->send(message, groups[i].targets, groups[i].count);
    for (size_t i = prepared; i < kinds; i++) {
        const struct group *group = &groups[i];
        if (verdict == VERDICT_OK)
            group->kind->settle(message, group->targets, group->count);
        else
            group->kind->undo(message, group->targets, group->count, verdict);
    }
    return verdict;
}

void target_close(struct target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (targets[i].prepared)
            targets[i].kind->close(&targets[i]);
        targets[i].prepared = false;
    }
}
