/*
 * reach: a message for two mailboxes, a relay and a store with two recipients, in every mixture and
 * in every division into parts, with failures at every step. A world in memory records who has the
 * message; a small model, written from the rules and not from the code, says who must have it.
 */
#include "../../smtpd/back/reach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { RELAY, STORE_1, STORE_2, BOX_A, BOX_B, PLACES };

enum outcome { ACCEPTED, REFUSED, LOST };

/* What goes wrong; a bit for each place. */
struct faults {
    unsigned look, text, hung_up, send;
    bool turn_back;
    enum outcome dot[PLACES];
};

static struct faults faults;
static unsigned in_text;     /* what the hops have the text for, without a dot */
static unsigned has[PLACES]; /* how often the message is there */
static bool dotted;

static unsigned place_of(const struct target *target)
{
    return (unsigned)target->asked;
}

static unsigned bit(const struct target *target)
{
    return 1U << place_of(target);
}

static int compare_hops(const struct target *a, const struct target *b)
{
    return (a->recipient > b->recipient) - (a->recipient < b->recipient);
}

static unsigned waiting(const struct target *targets, size_t count)
{
    unsigned found = 0;

    for (size_t i = 0; i < count; i++)
        if (targets[i].state == TARGET_WAITING)
            found |= bit(&targets[i]);
    return found;
}

static unsigned all_of(const struct target *targets, size_t count)
{
    unsigned found = 0;

    for (size_t i = 0; i < count; i++)
        found |= bit(&targets[i]);
    return found;
}

static void text(const struct target_message *message, struct target *targets, size_t count)
{
    (void)message;
    assert_false(in_text & all_of(targets, count)); /* never twice in one connection */
    assert_true(waiting(targets, count) != 0);
    for (size_t i = 0; i < count; i++)
        if (targets[i].state == TARGET_WAITING && (faults.text & bit(&targets[i])))
            target_refuse(&targets[i], 1, VERDICT_HOP_DEFERRED);
    in_text |= waiting(targets, count);
}

static void look_at_hop(const struct target_message *message, struct target *targets, size_t count)
{
    (void)message;
    assert_false(dotted);
    assert_int_equal(in_text & all_of(targets, count), waiting(targets, count));
    for (size_t i = 0; i < count; i++)
        if (targets[i].state == TARGET_WAITING && (faults.hung_up & bit(&targets[i])))
            target_refuse(targets, count, VERDICT_HOP_UNAVAILABLE);
    if (waiting(targets, count) == 0)
        in_text &= ~all_of(targets, count);
}

static void dot(const struct target_message *message, struct target *targets, size_t count)
{
    static const enum target_state states[] = {TARGET_DELIVERED, TARGET_REFUSED, TARGET_UNCERTAIN};

    (void)message;
    assert_int_equal(in_text & all_of(targets, count), waiting(targets, count));
    dotted = true;
    for (size_t i = 0; i < count; i++) {
        if (targets[i].state != TARGET_WAITING)
            continue;
        enum outcome outcome = faults.dot[place_of(&targets[i])];
        targets[i].state = states[outcome];
        targets[i].verdict = VERDICT_HOP_REFUSED;
        has[place_of(&targets[i])] += outcome != REFUSED;
    }
    in_text &= ~all_of(targets, count);
}

static void abandon(const struct target_message *message, struct target *targets, size_t count)
{
    (void)message;
    assert_true(in_text & all_of(targets, count));
    in_text &= ~all_of(targets, count);
}

static int compare_boxes(const struct target *a, const struct target *b)
{
    return (a->asked > b->asked) - (a->asked < b->asked);
}

static enum verdict look(const struct target_message *message, struct target *target)
{
    (void)message;
    assert_false(dotted);
    return faults.look & bit(target) ? VERDICT_LOCKED : VERDICT_OK;
}

static enum verdict prepare(const struct target_message *message, struct target *targets,
                            size_t count)
{
    (void)message;
    (void)targets;
    (void)count;
    assert_int_equal(in_text, 0); /* a hop has its dot, or has hung up */
    return VERDICT_OK;
}

static enum verdict send(const struct target_message *message, struct target *targets, size_t count)
{
    (void)message;
    for (size_t i = 0; i < count; i++)
        if (faults.send & bit(&targets[i]))
            return VERDICT_OVER_QUOTA;
    return VERDICT_OK;
}

static void settle(const struct target_message *message, struct target *targets, size_t count)
{
    (void)message;
    for (size_t i = 0; i < count; i++)
        has[place_of(&targets[i])]++;
}

static void undo(const struct target_message *message, struct target *targets, size_t count,
                 enum verdict why)
{
    (void)message;
    (void)targets;
    (void)count;
    (void)why;
}

static void close_box(struct target *target)
{
    (void)target;
}

static const struct target_hop hop = {
    .text = text, .look = look_at_hop, .dot = dot, .abandon = abandon};
static const struct target_mailbox mailbox = {
    .look = look,
    .prepare = prepare,
    .send = send,
    .settle = settle,
    .undo = undo,
    .close = close_box,
};
static const struct target_kind relay = {.order = 1, .compare = compare_hops, .hop = &hop};
static const struct target_kind store = {.order = 2, .compare = compare_hops, .hop = &hop};
static const struct target_kind box = {.order = 3, .compare = compare_boxes, .mailbox = &mailbox};

static enum verdict last_moment(struct delivery *delivery)
{
    (void)delivery;
    assert_false(dotted);
    return faults.turn_back ? VERDICT_FAILED : VERDICT_OK;
}

static const struct target_message message = {.last_moment = last_moment};

/* The part of each place: one for all, one each, and aliases with several targets. */
static const size_t divisions[][PLACES] = {
    {0, 0, 0, 0, 0}, {0, 1, 2, 3, 4}, {0, 1, 2, 0, 1}, {0, 0, 1, 1, 0}};

static size_t make(struct target targets[PLACES], unsigned mixture, const size_t parts[PLACES])
{
    static const struct target_kind *const kinds[] = {&relay, &store, &store, &box, &box};
    size_t count = 0;

    for (unsigned place = PLACES; place-- > 0;)
        if (mixture & 1U << place)
            targets[count++] =
                (struct target){.kind = kinds[place], .asked = place, .part = parts[place]};
    return count;
}

/* Delivers as delivery_commit.c does. */
static void deliver(struct target *targets, size_t count)
{
    dotted = false;
    target_sort(targets, count);
    if (reach_is_needed(targets, count))
        reach(&message, targets, count);
    for (size_t i = 0, end; i < count; i = end) {
        end = i + target_group(targets + i, count - i);
        if (targets[i].kind->mailbox != NULL)
            target_deliver(&message, targets + i, end - i,
                           target_is_begun(targets, count, targets[i].part));
    }
    assert_int_equal(in_text, 0);
}

/* The model: who has the message afterwards, and for whom it is uncertain. */
struct model {
    unsigned mixture;
    const size_t *parts;
    bool over[PLACES], begun[PLACES]; /* parts */
    unsigned has, uncertain;
};

static bool is_live(const struct model *model, unsigned place)
{
    return (model->mixture & 1U << place) && !model->over[model->parts[place]];
}

static void end_at(struct model *model, unsigned place, unsigned failing)
{
    if (is_live(model, place) && (failing & 1U << place))
        model->over[model->parts[place]] = true;
}

static void model_dots(struct model *model, unsigned from, unsigned to)
{
    unsigned live = 0;

    for (unsigned place = from; place <= to; place++)
        live |= is_live(model, place) ? 1U << place : 0;
    for (unsigned place = from; place <= to; place++) {
        if (!(live & 1U << place) || faults.dot[place] == REFUSED)
            continue;
        model->begun[model->parts[place]] = true;
        *(faults.dot[place] == ACCEPTED ? &model->has : &model->uncertain) |= 1U << place;
    }
    for (unsigned place = from; place <= to; place++)
        if (faults.dot[place] == REFUSED && !model->begun[model->parts[place]])
            end_at(model, place, live);
}

static void model_boxes(struct model *model)
{
    unsigned failing = faults.send;

    for (unsigned place = BOX_A; place <= BOX_B; place++)
        if (!model->begun[model->parts[place]])
            end_at(model, place, failing);
    for (unsigned place = BOX_A; place <= BOX_B; place++)
        if (is_live(model, place) && !(failing & 1U << place))
            model->has |= 1U << place;
}

static void run_model(struct model *model)
{
    bool hops = model->mixture & (1U << RELAY | 1U << STORE_1 | 1U << STORE_2);

    for (unsigned place = BOX_A; place <= BOX_B && hops; place++)
        end_at(model, place, faults.look);
    end_at(model, RELAY, faults.text);
    /* The store is asked for both at once. */
    unsigned live = (is_live(model, STORE_1) ? 1U << STORE_1 : 0) |
                    (is_live(model, STORE_2) ? 1U << STORE_2 : 0);
    end_at(model, STORE_1, faults.text & live);
    if (live & faults.text & 1U << STORE_2)
        model->over[model->parts[STORE_2]] = true;
    end_at(model, RELAY, faults.hung_up);
    live = (is_live(model, STORE_1) ? 1U << STORE_1 : 0) |
           (is_live(model, STORE_2) ? 1U << STORE_2 : 0);
    if (faults.hung_up & live) {
        end_at(model, STORE_1, live);
        end_at(model, STORE_2, live);
    }
    bool goes = is_live(model, RELAY) || is_live(model, STORE_1) || is_live(model, STORE_2);
    if (goes && faults.turn_back) {
        memset(model->over, true, sizeof model->over);
        return;
    }
    model_dots(model, RELAY, RELAY);
    model_dots(model, STORE_1, STORE_2);
    model_boxes(model);
}

static void fail_with(const char *what, unsigned mixture, size_t division)
{
    fail_msg("%s: mixture %#x, division %zu, look %#x, text %#x, hung up %#x, turn back %d, dots "
             "%d%d%d, "
             "send %#x",
             what, mixture, division, faults.look, faults.text, faults.hung_up, faults.turn_back,
             faults.dot[0], faults.dot[1], faults.dot[2], faults.send);
}

static void check_states(const struct target *targets, size_t count, const struct model *model,
                         size_t division)
{
    for (size_t i = 0; i < count; i++) {
        unsigned here = bit(&targets[i]);
        enum target_state state = targets[i].state;
        if ((state == TARGET_DELIVERED) != ((model->has & here) != 0) ||
            (state == TARGET_UNCERTAIN) != ((model->uncertain & here) != 0) ||
            state == TARGET_WAITING)
            fail_with("wrong state", model->mixture, division);
        if (has[place_of(&targets[i])] != ((model->has | model->uncertain) & here ? 1 : 0))
            fail_with("not where it must be", model->mixture, division);
        /* A part that is begun is never over: each of its targets was tried. */
        if (state == TARGET_DROPPED && target_is_begun(targets, count, targets[i].part))
            fail_with("not tried", model->mixture, division);
    }
}

/* The client tries again, and nothing fails: nobody gets it twice, unless that was uncertain. */
static void retry(struct target *targets, size_t count, const struct model *model, size_t division)
{
    faults = (struct faults){0};
    for (size_t i = 0; i < count; i++)
        if (targets[i].state != TARGET_DELIVERED)
            targets[i].state = TARGET_WAITING;
    deliver(targets, count);
    for (size_t i = 0; i < count; i++)
        if (has[place_of(&targets[i])] != (model->uncertain & bit(&targets[i]) ? 2 : 1))
            fail_with("wrong after a retry of", model->mixture, division);
}

static void try_with(unsigned mixture, size_t division, const struct faults *with)
{
    struct target targets[PLACES];
    size_t count = make(targets, mixture, divisions[division]);
    struct model model = {.mixture = mixture, .parts = divisions[division]};

    faults = *with;
    memset(has, 0, sizeof has);
    run_model(&model);
    deliver(targets, count);
    check_states(targets, count, &model, division);
    retry(targets, count, &model, division);
}

/* Calls it for all faults that concern the mixture. */
static void with_dots(unsigned mixture, size_t division, struct faults with)
{
    for (unsigned dots = 0; dots < 27; dots++) {
        const unsigned outcomes[] = {dots % 3, dots / 3 % 3, dots / 9};
        bool concern = true;
        for (unsigned place = RELAY; place <= STORE_2; place++) {
            with.dot[place] = (enum outcome)outcomes[place];
            concern = concern && (outcomes[place] == ACCEPTED || (mixture & 1U << place));
        }
        if (concern)
            try_with(mixture, division, &with);
    }
}

static void every_failure_in_every_mixture(void **state)
{
    (void)state;
    for (unsigned mixture = 1; mixture < 1U << PLACES; mixture++)
        for (size_t division = 0; division < sizeof divisions / sizeof *divisions; division++)
            for (unsigned failing = 0; failing < 1U << PLACES; failing++)
                for (unsigned send_fails = 0; send_fails < 4; send_fails++)
                    for (int turn_back = 0; turn_back < 2; turn_back++) {
                        const struct faults with = {
                            .look = failing & (1U << BOX_A | 1U << BOX_B),
                            .text = failing & ~(1U << BOX_A | 1U << BOX_B),
                            .send = send_fails << BOX_A,
                            .turn_back = turn_back,
                        };
                        if ((failing & ~mixture) != 0 || (with.send & ~mixture) != 0)
                            continue;
                        with_dots(mixture, division, with);
                        for (unsigned place = RELAY; place <= STORE_2; place++) {
                            struct faults also = with;
                            also.hung_up = mixture & 1U << place;
                            if (also.hung_up != 0)
                                with_dots(mixture, division, also);
                        }
                    }
}

/* Two stores share a part, and the second fails: the first gets its text again, for the other part
 * alone. */
static void a_text_is_sent_again_without_a_part_that_is_over(void **state)
{
    struct target targets[] = {
        {.kind = &relay, .asked = STORE_1, .part = 1},
        {.kind = &relay, .asked = RELAY, .part = 0},
        {.kind = &store, .asked = STORE_2, .part = 0},
    };

    (void)state;
    faults = (struct faults){.text = 1U << STORE_2};
    memset(has, 0, sizeof has);
    deliver(targets, 3);
    assert_int_equal(has[STORE_1], 1);
    assert_int_equal(has[RELAY], 0);
    assert_int_equal(has[STORE_2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_in_every_mixture),
        cmocka_unit_test(a_text_is_sent_again_without_a_part_that_is_over),
    };

    return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
