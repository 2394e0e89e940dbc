/*
 * target: a message is delivered to all targets or to none, whatever their kinds: two kinds in
 * memory record each step, and fail where the test requests it.
 */
#include "../../smtpd/back/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char steps[512];     /* the steps taken, with the names of targets */
static const char *failing; /* the step that fails: "KIND STEP NAME" */

static enum verdict step(const char *kind, const char *what, const struct target *target)
{
    char text[64];

    snprintf(text, sizeof text, "%s %s %.*s", kind, what, SLICE(target->user.address));
    strcat(strcat(steps, *steps == '\0' ? "" : ", "), text);
    return failing != NULL && strcmp(text, failing) == 0 ? VERDICT_LOCKED : VERDICT_OK;
}

static enum verdict each(const char *kind, const char *what, struct target *targets, size_t count)
{
    enum verdict verdict = VERDICT_OK;

    for (size_t i = 0; i < count && verdict == VERDICT_OK; i++)
        verdict = step(kind, what, &targets[i]);
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

/* The steps of a kind of this name. */
#define KIND(name, at)                                                                             \
    static enum verdict name##_prepare(const struct target_message *m, struct target *t, size_t n) \
    {                                                                                              \
        (void)m;                                                                                   \
        return each(#name, "prepare", t, n);                                                       \
    }                                                                                              \
    static enum verdict name##_send(const struct target_message *m, struct target *t, size_t n)    \
    {                                                                                              \
        (void)m;                                                                                   \
        return each(#name, "send", t, n);                                                          \
    }                                                                                              \
    static void name##_settle(const struct target_message *m, struct target *t, size_t n)          \
    {                                                                                              \
        (void)m;                                                                                   \
        each(#name, "settle", t, n);                                                               \
    }                                                                                              \
    static void name##_undo(const struct target_message *m, struct target *t, size_t n,            \
                            enum verdict why)                                                      \
    {                                                                                              \
        (void)m;                                                                                   \
        assert_int_equal(why, VERDICT_LOCKED);                                                     \
        each(#name, "undo", t, n);                                                                 \
    }                                                                                              \
    static void name##_close(struct target *target)                                                \
    {                                                                                              \
        step(#name, "close", target);                                                              \
    }                                                                                              \
    static const struct target_kind name = {                                                       \
        at, ask, compare, name##_prepare, name##_send, name##_settle, name##_undo, name##_close}

KIND(box, 100);
KIND(hop, 1);

static const struct target_message message;

/* Delivers to targets written "box a, hop b"; returns the steps, with those of closing after "; ".
 */
static const char *deliver(const char *to, const char *fails, enum verdict due)
{
    struct target targets[8] = {0};
    size_t count = 0;

    failing = fails;
    steps[0] = '\0';
    for (const char *at = to; *at != '\0'; at += strcspn(at, " ") + 2, at += strspn(at, ", "))
        targets[count++] = (struct target){.kind = *at == 'b' ? &box : &hop,
                                           .user.address = {at + strcspn(at, " ") + 1, 1}};
    assert_int_equal(target_deliver(&message, targets, count), due);
    strcat(steps, ";");
    target_close(targets, count);
    return steps;
}

static void a_kind_is_asked(void **state)
{
    struct target target = {.kind = &hop, .user.quota = 10};

    (void)state;
    assert_int_equal(target.kind->ask(&target, 10), VERDICT_OK);
    assert_int_equal(target.kind->ask(&target, 11), VERDICT_OVER_QUOTA);
}

static void each_step_is_taken_by_all_in_order(void **state)
{
    (void)state;
    assert_string_equal(deliver("box b, hop y, box a, hop x", NULL, VERDICT_OK),
                        "box prepare a, box prepare b, hop prepare x, hop prepare y, "
                        "hop send x, hop send y, box send a, box send b, "
                        "hop settle x, hop settle y, box settle a, box settle b;, "
                        "hop close x, hop close y, box close a, box close b");
    assert_string_equal(deliver("", NULL, VERDICT_OK), ";");
}

/* What was not prepared is neither undone nor closed. */
static void a_failure_to_prepare_undoes_what_was_prepared(void **state)
{
    (void)state;
    assert_string_equal(deliver("box a, box b, hop x", "box prepare a", VERDICT_LOCKED),
                        "box prepare a, box undo a, box undo b;, box close a, box close b");
    assert_string_equal(deliver("box a, hop x", "hop prepare x", VERDICT_LOCKED),
                        "box prepare a, hop prepare x, hop undo x, box undo a;, "
                        "hop close x, box close a");
}

static void a_failure_to_send_undoes_all(void **state)
{
    (void)state;
    assert_string_equal(deliver("box a, hop x", "hop send x", VERDICT_LOCKED),
                        "box prepare a, hop prepare x, hop send x, hop undo x, box undo a;, "
                        "hop close x, box close a");
    assert_string_equal(deliver("box a, hop x", "box send a", VERDICT_LOCKED),
                        "box prepare a, hop prepare x, hop send x, box send a, hop undo x, "
                        "box undo a;, hop close x, box close a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_is_asked),
        cmocka_unit_test(each_step_is_taken_by_all_in_order),
        cmocka_unit_test(a_failure_to_prepare_undoes_what_was_prepared),
        cmocka_unit_test(a_failure_to_send_undoes_all),
    };

    return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
