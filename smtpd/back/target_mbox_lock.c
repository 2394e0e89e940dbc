#include "target_mbox_lock.h"

#include "../base/clock.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

/* Waits for one, then tries the others. */
static struct target *lock_from(struct target *first, struct target *targets, size_t count,
                                int64_t deadline)
{
    if (mbox_lock(&first->mbox, deadline) != 0)
        return first;
    for (size_t i = 0; i < count; i++)
        if (&targets[i] != first && !targets[i].duplicate && mbox_lock(&targets[i].mbox, 0) != 0)
            return &targets[i];
    return NULL;
}

static void unlock_all(struct target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!targets[i].duplicate)
            mbox_unlock(&targets[i].mbox);
}

/* For a random time, longer each round: two deliveries that have got in each other's way do not do
 * so again and again. */
static void pause_briefly(unsigned round)
{
    enum { FIRST_US = 500, DOUBLED_MAX = 6 };
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    usleep((useconds_t)(now.tv_nsec % (FIRST_US << (round < DOUBLED_MAX ? round : DOUBLED_MAX))));
}

struct target *target_mbox_lock(struct target *targets, size_t count, int64_t deadline)
{
    struct target *wanted = targets, *failed;

    while (wanted < targets + count && wanted->duplicate)
        wanted++;
    if (wanted == targets + count)
        return NULL;
    for (unsigned round = 0; (failed = lock_from(wanted, targets, count, deadline)) != NULL;
         round++) {
        if (errno != MBOX_LOCKED || failed == wanted || clock_ms() >= deadline)
            return failed;
        unlock_all(targets, count);
        pause_briefly(round);
        wanted = failed;
    }
    return NULL;
}
