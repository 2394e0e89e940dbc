#include "target_mbox.h"

#include "../base/address.h"
#include "../mailbox/quote.h"
#include "log.h"
#include "space.h"
#include "target_mbox_lock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LAST = 100,    /* other kinds can fail more easily */
    ENDS_MAX = 64, /* separators, and line ends that are added */
};

static enum verdict failed(const struct target_message *message, const struct target *target,
                           const char *doing)
{
    struct failure failure = failure_of(errno);

    message->failed(message->delivery, target, doing, &failure);
    return failure.verdict;
}

static enum verdict ask(const struct target *target, uint64_t size)
{
    return space_in_mailbox(target->settings, &target->user, size);
}

/* By their paths: deliveries to the same mailboxes then queue for the first of them, and do not
 * meet halfway. */
static int compare(const struct target *a, const struct target *b)
{
    return slice_compare(a->user.mailbox, b->user.mailbox);
}

static size_t place(const struct target *target, char to[TARGET_PLACE_MAX])
{
    return (size_t)sprintf(to, "mailbox %.*s", SLICE(target->user.mailbox));
}

static void name(const struct target *target, char to[ADDRESS_TEXT_MAX])
{
    struct address user;

    *to = '\0';
    if (address_from_key(target->user.address, &user) == ADDRESS_OK)
        address_write(&user, to);
}

/* Logs that a torn message is being cut off. */
static void log_restored(const void *context, const struct undo_cut *cut)
{
    const struct target *target = context;
    char mailbox[DIRECTORY_PATH_MAX], size[24];

    directory_mailbox(target->settings, &target->user, mailbox);
    snprintf(size, sizeof size, "%jd", (intmax_t)(cut->to - cut->from));
    log_event(EVENT_RESTORED, "mailbox", mailbox, "id", cut->id, "size", size, NULL);
}

static int open_mailbox(struct target *target)
{
    const struct undo_rules rules = {
        .server = geteuid(),
        .longest =
            (off_t)QUOTE_SIZE(target->settings->session.max_message_size + DRAFT_GROWTH_MAX) +
            TRACE_MAX + ENDS_MAX,
        .cutting = log_restored,
        .context = target,
    };

    return mbox_open(&target->mbox, &rules, target->settings->mail_root, target->user.mailbox);
}

/* Does an earlier target, of this or an earlier recipient, bring the message to the same mailbox?
 * Two paths may lead to one. Those that have the message stay open to the end. */
static bool is_open_already(const struct target *first, const struct target *target)
{
    for (const struct target *other = first; other < target; other++)
        if (other->kind == &target_mbox && other->prepared && other->mbox.fd >= 0 &&
            (compare(other, target) == 0 || mbox_is_same(&other->mbox, &target->mbox)))
            return true;
    return false;
}

static enum verdict prepare(const struct target_message *message, struct target *targets,
                            size_t count)
{
    for (size_t i = 0; i < count; i++)
        mbox_init(&targets[i].mbox);
    for (size_t i = 0; i < count; i++) {
        if (open_mailbox(&targets[i]) != 0)
            return failed(message, &targets[i], "open");
        targets[i].duplicate = is_open_already(message->first, &targets[i]);
        if (targets[i].duplicate)
            mbox_close(&targets[i].mbox);
    }
    return VERDICT_OK;
}

static int write_to(void *mbox, const char *bytes, size_t len)
{
    return mbox_write(mbox, bytes, len);
}

/* What comes above the message in this mailbox; two separators have room before it. */
static char top[2 + TRACE_MAX];

/* Returns its length, or -1 with errno. */
static ptrdiff_t write_top(const struct target_message *message, const struct target *target)
{
    struct address user;

    if (address_from_key(target->user.address, &user) != ADDRESS_OK) {
        errno = EPROTO;
        return -1;
    }
    return (ptrdiff_t)trace_mailbox(top + 2, message->trace, &user, message->received);
}

/* Writes it in parts, because filters have put fields above our Received field. Delivered-To stays
 * next to that (header_facts.h). */
static int append_apart(const struct target_message *message, struct mbox *mbox, const char *all,
                        size_t len)
{
    static char envelope[TRACE_MAX];
    struct spool *spool = &message->text->spool;
    uint64_t above = message->text->above.spool;
    size_t upper = trace_envelope(envelope, message->trace) + (size_t)mbox->separators;

    if (mbox_write(mbox, all, upper) != 0 ||
        spool_copy_part(spool, 0, above, write_to, mbox) != 0 ||
        mbox_write(mbox, all + upper, len - upper) != 0)
        return -1;
    return spool_copy_part(spool, above, spool->size, write_to, mbox);
}

static int append(const struct target_message *message, struct target *target)
{
    struct mbox *mbox = &target->mbox;
    struct spool *spool = &message->text->spool;
    ptrdiff_t len = write_top(message, target);

    if (len < 0 ||
        mbox_begin(mbox, (uint64_t)len + spool->size, target->user.quota, message->id) != 0)
        return -1;
    char *start = top + 2 - mbox->separators;
    memset(start, '\n', (size_t)mbox->separators);
    if (message->text->above.spool > 0)
        return append_apart(message, mbox, start, (size_t)(len + mbox->separators));
    if (mbox_write(mbox, start, (size_t)(len + mbox->separators)) != 0)
        return -1;
    return spool_copy(spool, write_to, mbox);
}

/* Takes all locks for a moment, so that a torn message is cut off, too. */
static int try_mailbox(const struct target_message *message, struct target *target,
                       const char **doing)
{
    struct mbox *mbox = &target->mbox;

    *doing = "open";
    if (open_mailbox(target) != 0)
        return -1;
    *doing = "lock";
    if (mbox_lock(mbox, message->deadline) != 0)
        return -1;
    *doing = "append";
    ptrdiff_t len = write_top(message, target);
    if (len < 0)
        return -1;
    return mbox_has_room(mbox, (uint64_t)len + message->text->spool.size, target->user.quota);
}

static enum verdict look(const struct target_message *message, struct target *target)
{
    const char *doing;
    enum verdict verdict = VERDICT_OK;

    mbox_init(&target->mbox);
    if (try_mailbox(message, target, &doing) != 0)
        verdict = failed(message, target, doing);
    mbox_rollback(&target->mbox); /* removes it, if it is new */
    mbox_close(&target->mbox);
    return verdict;
}

static enum verdict send(const struct target_message *message, struct target *targets, size_t count)
{
    struct target *locked = target_mbox_lock(targets, count, message->deadline);

    if (locked != NULL)
        return failed(message, locked, "lock");
    for (size_t i = 0; i < count; i++)
        if (!targets[i].duplicate && append(message, &targets[i]) != 0)
            return failed(message, &targets[i], "append");
    for (size_t i = 0; i < count; i++)
        if (!targets[i].duplicate && mbox_sync(&targets[i].mbox) != 0)
            return failed(message, &targets[i], "sync");
    return VERDICT_OK;
}

static void settle(const struct target_message *message, struct target *targets, size_t count)
{
    (void)message;
    for (size_t i = 0; i < count; i++) {
        if (targets[i].duplicate)
            continue;
        mbox_commit(&targets[i].mbox);
        mbox_unlock(&targets[i].mbox);
    }
}

static void undo(const struct target_message *message, struct target *targets, size_t count,
                 enum verdict why)
{
    for (size_t i = 0; i < count; i++) {
        if (mbox_rollback(&targets[i].mbox) != 0) {
            const struct failure failure = {why, EVENT_DEFERRED, failure_of(errno).error};
            message->failed(message->delivery, &targets[i], "undo", &failure);
        }
        mbox_close(&targets[i].mbox);
    }
}

static void close_mailbox(struct target *target)
{
    mbox_close(&target->mbox);
}

static const struct target_mailbox mailbox = {ask,    look, prepare,      send,
                                              settle, undo, close_mailbox};

const struct target_kind target_mbox = {LAST, compare, place, name, &mailbox, NULL};
