#include "delivery_result.h"

#include "hop_log.h"
#include "milters.h"

#include <stdio.h>
#include <string.h>

static bool is_missing(const struct target *target)
{
    return target->state == TARGET_REFUSED || target->state == TARGET_UNCERTAIN;
}

static enum verdict why_missing(const struct target *target)
{
    return target->state == TARGET_UNCERTAIN ? VERDICT_HOP_UNAVAILABLE : target->verdict;
}

static bool is_for_good(const struct target *target)
{
    return reply_class(verdict_reply(why_missing(target), REPLY_DELIVERED)) == 5;
}

/* A recipient that a filter has added, and that is refused for good, is left out where others have
 * the message: it is not the client's. */
static bool is_left_out(const struct target *target, bool begun)
{
    return begun && target->asked >= DELIVERY_ADDED && is_for_good(target);
}

/* The target whose failure decides; NULL: none has failed. */
static const struct target *deciding(const struct delivery *delivery, size_t part)
{
    bool begun = target_is_begun(delivery->all, delivery->total, part);
    const struct target *found = NULL;

    for (size_t i = 0; i < delivery->total; i++) {
        const struct target *target = &delivery->all[i];
        if (target->part != part || !is_missing(target) || is_left_out(target, begun))
            continue;
        if (found == NULL || (begun && is_for_good(found) && !is_for_good(target)))
            found = target;
    }
    return found;
}

bool delivery_is_partial(const struct delivery *delivery, size_t part)
{
    return deciding(delivery, part) != NULL &&
           target_is_begun(delivery->all, delivery->total, part);
}

enum verdict delivery_result(const struct delivery *delivery, size_t part)
{
    const struct target *target = deciding(delivery, part);

    if (target == NULL)
        return delivery->refused;
    if (is_for_good(target) && target_is_begun(delivery->all, delivery->total, part))
        return VERDICT_HOP_REFUSED; /* the reply says who does not have the message */
    return why_missing(target);
}

/* The reply of one target's failure, with its code and enhanced code first; without a line end. */
static size_t write_reply(const struct target *target, char to[WALL_SAID_MAX + 1])
{
    char reply[REPLY_MAX];
    enum verdict verdict = why_missing(target);

    if (target->kind->hop != NULL && verdict_is_said(verdict))
        return target->kind->hop->said(target, to);
    reply_write(reply, verdict_reply(verdict, REPLY_DELIVERED), "");
    return (size_t)snprintf(to, WALL_SAID_MAX + 1, "%.*s", (int)strcspn(reply, "\r"), reply);
}

/* The length of "550 5.1.1". */
static size_t status_len(const char *reply)
{
    size_t code = strcspn(reply, " ");

    return reply[code] == ' ' ? code + 1 + strcspn(reply + code + 1, " ") : code;
}

/* Adds to a list, if there is space for it. */
static size_t add_name(char to[WALL_SAID_MAX + 1], size_t len, const struct address *recipient,
                       bool first)
{
    char name[ADDRESS_TEXT_MAX];
    size_t room = WALL_SAID_MAX + 1 - len;

    address_write(recipient, name);
    int more = snprintf(to + len, room, "%s<%s>", first ? "" : ", ", name);
    if ((size_t)more < room)
        return len + (size_t)more;
    to[len] = '\0';
    return len;
}

/* Has an earlier target of the same recipient failed, too? */
static bool is_named(const struct delivery *delivery, size_t number)
{
    for (size_t i = 0; i < number; i++)
        if (delivery->all[i].asked == delivery->all[number].asked && is_missing(&delivery->all[i]))
            return true;
    return false;
}

/* "550 5.1.1 Not delivered to <a@example.org>, <b@example.org>". Recipients are named as the client
 * has given them: where an alias leads is not the client's business. */
static size_t write_missing(const struct delivery *delivery, size_t part,
                            char to[WALL_SAID_MAX + 1])
{
    char reply[WALL_SAID_MAX + 1];
    bool first = true;

    write_reply(deciding(delivery, part), reply);
    size_t len = (size_t)sprintf(to, "%.*s Not delivered to ", (int)status_len(reply), reply);
    for (size_t i = 0; i < delivery->total; i++) {
        const struct target *target = &delivery->all[i];
        if (target->part != part || !is_missing(target) || target->asked >= WALL_RESULTS_MAX ||
            is_named(delivery, i))
            continue;
        len = add_name(to, len, &delivery->asked[target->asked], first);
        first = false;
    }
    return len;
}

size_t delivery_said(const struct delivery *delivery, size_t part, char to[MILTER_SAID_MAX + 1])
{
    if (verdict_is_of_milter(delivery_result(delivery, part)))
        return milter_outcome_said(&delivery->milters->outcome, to);
    if (deciding(delivery, part) == NULL) /* a recipient that a filter has added, the only one */
        return hop_outcome_said(&delivery->refusal.outcome, to);
    if (delivery_is_partial(delivery, part) && is_for_good(deciding(delivery, part)))
        return write_missing(delivery, part, to);
    return write_reply(deciding(delivery, part), to);
}

void delivery_log_partial(const struct delivery *delivery, size_t part)
{
    static char missing[LOG_LIST_MAX];
    char name[ADDRESS_TEXT_MAX], reply[WALL_SAID_MAX + 1];
    size_t len = 0;

    for (size_t i = 0; i < delivery->total; i++) {
        const struct target *target = &delivery->all[i];
        if (target->part != part || !is_missing(target))
            continue;
        target->kind->name(target, name);
        if (strlen(name) + 2 > sizeof missing - len)
            break;
        len += (size_t)sprintf(missing + len, "%s%s", len == 0 ? "" : "\n", name);
    }
    write_reply(deciding(delivery, part), reply);
    reply[status_len(reply)] = '\0';
    hop_log(EVENT_PARTLY_DELIVERED, delivery,
            &(const struct hop_report){.missing = missing, .reply = reply});
}
