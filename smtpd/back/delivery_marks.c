#include "delivery_marks.h"

#include "delivery_log.h"
#include "delivery_result.h"
#include "done.h"

#include <errno.h>

/* Could another message have the same text? One of these fields makes it unlikely: other servers
 * add at least Received, but scripts and devices may add none. */
static bool is_nameless(const struct delivery *delivery)
{
    const struct header_facts *facts = &delivery->message.facts;

    return !facts->has_date && !facts->has_message_id && !facts->has_received;
}

void delivery_marks_read(struct delivery *delivery)
{
    struct done done;
    char place[TARGET_PLACE_MAX];

    done_init(&done, &delivery->mail.sender, is_nameless(delivery));
    if (done_is_used(&done, delivery->settings->mail_root)) {
        for (size_t i = 0; i < delivery->total; i++) {
            struct target *target = &delivery->all[i];
            size_t len = target->kind->place(target, place);
            const struct slice where = {place, len};
            if (target->state != TARGET_WAITING ||
                !done_has(&done, message_as_received(&delivery->message), where))
                continue;
            target->state = TARGET_DELIVERED;
            target->kept = true;
        }
    }
    done_close(&done);
}

static int mark(struct delivery *delivery, struct done *done, bool unheard)
{
    char place[TARGET_PLACE_MAX];
    bool marked = false;

    for (size_t i = 0; i < delivery->total; i++) {
        const struct target *target = &delivery->all[i];
        if (target->state != TARGET_DELIVERED || target->kept ||
            (!unheard && !delivery_is_partial(delivery, target->part)))
            continue;
        size_t len = target->kind->place(target, place);
        const struct slice where = {place, len};
        if (done_add(done, delivery->settings->mail_root, message_as_received(&delivery->message),
                     where) != 0)
            return -1;
        marked = true;
    }
    return marked ? done_sync(done) : 0;
}

void delivery_marks_write(struct delivery *delivery, bool unheard)
{
    struct done done;

    done_init(&done, &delivery->mail.sender, is_nameless(delivery));
    if (mark(delivery, &done, unheard) != 0) {
        const struct failure failure = failure_of(errno);
        delivery_log_failure(delivery, NULL, "mark as delivered", &failure);
    }
    done_close(&done);
}
