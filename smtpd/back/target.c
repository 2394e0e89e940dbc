#include "target.h"

#include <stdlib.h>

static int in_order(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    int order = (x->kind->order > y->kind->order) - (x->kind->order < y->kind->order);

    return order != 0 ? order : x->kind->compare(x, y);
}

/* Of the targets in order, those of one kind stand together: where they begin, and where they end.
 */
static size_t begin_of_kind(const struct target *targets, size_t end)
{
    size_t begin = end - 1;

    while (begin > 0 && targets[begin - 1].kind == targets[end - 1].kind)
        begin--;
    return begin;
}

static size_t end_of_kind(const struct target *targets, size_t begin, size_t count)
{
    size_t end = begin + 1;

    while (end < count && targets[end].kind == targets[begin].kind)
        end++;
    return end;
}

static enum verdict prepare(const struct target_message *message, struct target *targets,
                            size_t count)
{
    for (size_t i = 0; i < count; i++)
        targets[i].prepared = true;
    return targets->kind->prepare(message, targets, count);
}

enum verdict target_deliver(const struct target_message *message, struct target *targets,
                            size_t count)
{
    enum verdict verdict = VERDICT_OK;
    size_t prepared = count; /* the first that is */

    qsort(targets, count, sizeof *targets, in_order);
    for (size_t end; (end = prepared) > 0 && verdict == VERDICT_OK;) {
        prepared = begin_of_kind(targets, end);
        verdict = prepare(message, targets + prepared, end - prepared);
    }
    for (size_t begin = 0, end; begin < count && verdict == VERDICT_OK; begin = end) {
        end = end_of_kind(targets, begin, count);
        verdict = targets[begin].kind->send(message, targets + begin, end - begin);
    }
    for (size_t begin = prepared, end; begin < count; begin = end) {
        const struct target_kind *kind = targets[begin].kind;
        end = end_of_kind(targets, begin, count);
        if (verdict == VERDICT_OK)
            kind->settle(message, targets + begin, end - begin);
        else
            kind->undo(message, targets + begin, end - begin, verdict);
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
