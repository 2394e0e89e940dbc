#include "delivery_lock.h"

#include "../base/clock.h"
#include "../mailbox/trace.h"
#include "delivery_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENDS_MAX = 64 }; /* separators, and line ends that are added */

static int by_mailbox(const void *a, const void *b)
{
    const struct directory_user *x = &((const struct delivery_target *)a)->user;
    const struct directory_user *y = &((const struct delivery_target *)b)->user;
    size_t len = x->mailbox_len < y->mailbox_len ? x->mailbox_len : y->mailbox_len;
    int order = memcmp(x->mailbox, y->mailbox, len);

    return order != 0 ? order
                      : (x->mailbox_len > y->mailbox_len) - (x->mailbox_len < y->mailbox_len);
}

/* Two paths may lead to one mailbox, and so may two recipients: those that have the message are
 * open until the end. */
static bool is_open_already(const struct delivery *delivery, const struct delivery_target *target)
{
    const struct mbox *mbox = &target->mbox;

    for (const struct delivery_target *other = delivery->all; other < target; other++)
        if (other->mbox.fd >= 0 &&
            (by_mailbox(other, target) == 0 ||
             (other->mbox.device == mbox->device && other->mbox.inode == mbox->inode)))
            return true;
    return false;
}

static void remove_target(struct delivery *delivery, size_t index)
{
    struct delivery_target *target = &delivery->targets[index];

    mbox_close(&target->mbox);
    delivery->count--;
    memmove(target, target + 1, (delivery->count - index) * sizeof *target);
    mbox_init(&delivery->targets[delivery->count].mbox);
}

/* In the order of their paths: deliveries to the same mailboxes then queue for the first of them,
 * and do not meet halfway. */
static enum verdict open_all(struct delivery *delivery)
{
    qsort(delivery->targets, delivery->count, sizeof delivery->targets[0], by_mailbox);
    for (size_t i = 0; i < delivery->count; i++) {
        struct delivery_target *target = &delivery->targets[i];
        if (mbox_open(&target->mbox, &delivery->rules, delivery->settings->mail_root,
                      (struct slice){target->user.mailbox, target->user.mailbox_len}) != 0)
            return delivery_failed(delivery, target, "open");
        if (is_open_already(delivery, target))
            remove_target(delivery, i--);
    }
    return VERDICT_OK;
}

static int lock(struct delivery *delivery, struct delivery_target *target, int64_t deadline)
{
    delivery->locking = target;
    return mbox_lock(&target->mbox, deadline);
}

/* Waits for one, then tries the others. Returns the one that could not be locked, with errno, or
 * NULL if all are. */
static struct delivery_target *lock_from(struct delivery *delivery, struct delivery_target *first,
                                         int64_t deadline)
{
    if (lock(delivery, first, deadline) != 0)
        return first;
    for (size_t i = 0; i < delivery->count; i++)
        if (&delivery->targets[i] != first && lock(delivery, &delivery->targets[i], 0) != 0)
            return &delivery->targets[i];
    return NULL;
}

static void unlock_all(struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++)
        mbox_unlock(&delivery->targets[i].mbox);
}

/* A moment of no certain length, longer each time: two deliveries that have got in each other's way
 * do not do so again and again. */
static void pause_briefly(unsigned round)
{
    enum { FIRST_US = 500, DOUBLED_MAX = 6 };
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    usleep((useconds_t)(now.tv_nsec % (FIRST_US << (round < DOUBLED_MAX ? round : DOUBLED_MAX))));
}

enum verdict delivery_lock(struct delivery *delivery)
{
    int64_t deadline = delivery->committed + (int64_t)delivery->settings->lock_timeout * 1000;

    delivery->rules = (struct undo_rules){
        .server = geteuid(),
        .longest =
            (off_t)QUOTE_SIZE(delivery->settings->session.max_message_size) + TRACE_MAX + ENDS_MAX,
        .cutting = delivery_log_restored,
        .context = delivery,
    };
    enum verdict result = open_all(delivery);
    struct delivery_target *wanted = delivery->targets, *failed;

    if (result != VERDICT_OK || delivery->count == 0)
        return result;
    for (unsigned round = 0; (failed = lock_from(delivery, wanted, deadline)) != NULL; round++) {
        if (errno != MBOX_LOCKED || failed == wanted || clock_ms() >= deadline)
            return delivery_failed(delivery, failed, "lock");
        unlock_all(delivery);
        pause_briefly(round);
        wanted = failed;
    }
    return VERDICT_OK;
}
