/*
 * target: the mailboxes of a part get a message all together or not at all, or as many as possible
 * once the part is begun: a kind in memory records each step, and fails where the test requests it.
 */
#include "../../smtpd/back/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char steps[512];     /* the steps taken, with the names of targets */
static const char *failing; /* the step that fails: "STEP NAME" */

static enum verdict step(const char *what, const struct target *target)
{
    char text[64];

    snprintf(text, sizeof text, "%s %.*s", what, SLICE(target->user.address));
    strcat(strcat(steps, *steps == '\0' ? "" : ", "), text);
    return failing != NULL && strcmp(text, failing) == 0 ? VERDICT_LOCKED : VERDICT_OK;
}

static enum verdict each(const char *what, const struct target *targets, size_t count)
{
    enum verdict verdict = VERDICT_OK;

    for (size_t i = 0; i < count && verdict == VERDICT_OK; i++)
        verdict = step(what, &targets[i]);
    return verdict;
}

static enum verdict ask(const struct target *target, uint64_t size)
{
    return size > target->user.quota ? VERDICT_OVER_QUOTA : VERDICT_OK;
}

static int compare(const struct target *a, const struct target *b)
{
    return slice_compare(a->user.address, b->user.address);
}

static enum verdict prepare(const struct target_message *m, struct target *targets, size_t count)
{
    (void)m;
    return each("prepare", targets, count);
}

static enum verdict send(const struct target_message *m, struct target *targets, size_t count)
{
    (void)m;
    return each("send", targets, count);
}

static void settle(const struct target_message *m, struct target *targets, size_t count)
{
    (void)m;
    each("settle", targets, count);
}

static void undo(const struct target_message *m, struct target *targets, size_t count,
                 enum verdict why)
{
    (void)m;
    assert_int_equal(why, VERDICT_LOCKED);
    each("undo", targets, count);
}

static void close_it(struct target *target)
{
    step("close", target);
}

static const struct target_mailbox steps_of_box = {
    .ask = ask,
    .prepare = prepare,
    .send = send,
    .settle = settle,
    .undo = undo,
    .close = close_it,
};
static const struct target_kind box = {.compare = compare, .mailbox = &steps_of_box};

static const struct target_message message;
static char states[8]; /* of the targets in order: d(elivered), r(efused), w(aiting) */

/* Delivers to targets of these names; returns the steps, with those of closing after ";". */
static const char *deliver(const char *names, const char *fails, bool begun)
{
    static const char letters[] = {'w', 'd', 'r'};
    struct target targets[8] = {0};
    size_t count = strlen(names);

    failing = fails;
    memset(steps, 0, sizeof steps);
    memset(states, 0, sizeof states);
    for (size_t i = 0; i < count; i++)
        targets[i] = (struct target){.kind = &box, .user.address = {&names[i], 1}};
    target_sort(targets, count);
    target_deliver(&message, targets, count, begun);
    strcat(steps, ";");
    target_close(targets, count);
    for (size_t i = 0; i < count; i++)
        states[i] = letters[targets[i].state];
    return steps;
}

static void a_mailbox_is_asked(void **state)
{
    struct target target = {.kind = &box, .user.quota = 10};

    (void)state;
    assert_int_equal(target.kind->mailbox->ask(&target, 10), VERDICT_OK);
    assert_int_equal(target.kind->mailbox->ask(&target, 11), VERDICT_OVER_QUOTA);
}

static void each_step_is_taken_by_all_in_order(void **state)
{
    (void)state;
    assert_string_equal(deliver("ba", NULL, false),
                        "prepare a, prepare b, send a, send b, settle a, settle b;, "
                        "close a, close b");
    assert_string_equal(states, "dd");
    assert_string_equal(deliver("", NULL, false), ";");
}

static void a_failure_undoes_all(void **state)
{
    (void)state;
    assert_string_equal(deliver("ab", "prepare a", false),
                        "prepare a, undo a, undo b;, close a, close b");
    assert_string_equal(states, "rr");
    assert_string_equal(deliver("ab", "send b", false),
                        "prepare a, prepare b, send a, send b, undo a, undo b;, close a, close b");
    assert_string_equal(states, "rr");
}

static void in_a_part_that_is_begun_each_is_on_its_own(void **state)
{
    (void)state;
    assert_string_equal(deliver("ab", "send a", true), "prepare a, send a, undo a, prepare b, "
                                                       "send b, settle b;, close a, close b");
    assert_string_equal(states, "rd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mailbox_is_asked),
        cmocka_unit_test(each_step_is_taken_by_all_in_order),
        cmocka_unit_test(a_failure_undoes_all),
        cmocka_unit_test(in_a_part_that_is_begun_each_is_on_its_own),
    };

    return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
