/*
 * loop: which addresses of Delivered-To fields are found in a header, however it is cut.
 */
#include "../../smtpd/back/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

static const struct {
    const char *text;
    const char *found; /* each key in parentheses */
} examples[] = {
    {"Delivered-To: alice@example.org\n", "(alice@example.org)"},
    {"delivered-to:alice@example.org\n", "(alice@example.org)"},
    {"DELIVERED-TO: \t Alice@Example.ORG \t\n", "(alice@example.org)"},
    {"Delivered-To: \"a b\"@example.org\n", "(a b@example.org)"},
    {"Subject: x\nDelivered-To: a@x\nTo: y\nDelivered-To: b@x\n\nbody\n", "(a@x)(b@x)"},
    {"Delivered-To: a@x\n\nDelivered-To: b@x\n", "(a@x)"},
    {"\nDelivered-To: b@x\n", ""},
    {"Subject: x\n\n\nDelivered-To: b@x\n", ""},
    {"X-Delivered-To: a@x\nDelivered: a@x\nDelivered-To a@x\n", ""},
    {"Delivered-To:\n a@x\n", ""},
    {" Delivered-To: a@x\n", ""},
    {"Delivered-To: a@x, b@x\n", ""},
    {"Delivered-To: <a@x>\n", ""},
    {"Delivered-To: a@x (comment)\n", ""},
    {"Delivered-To: a@@x\n", ""},
    {"Delivered-To:\n", ""},
    {"Delivered-To: a@x", ""},
    {"Delivered-To: " A100 A100 A10 A10 A10 A10 A10 "aaaaa@x\n",
     "(" A100 A100 A10 A10 A10 A10 A10 "aaaaa@x)"},
    {"Delivered-To: " A100 A100 A100 "@x\n", ""},
    {"X: " A100 A100 A100 A100 A100 A100 A100 A100 A100 A100 " Delivered-To: a@x\n"
     "Delivered-To: b@x\n",
     "(b@x)"},
};

static char found[2048];

static bool note(void *context, const char *key, size_t len)
{
    const char *stop_at = context;
    size_t used = strlen(found);

    snprintf(found + used, sizeof found - used, "(%.*s)", (int)len, key);
    return stop_at != NULL && len == strlen(stop_at) && memcmp(key, stop_at, len) == 0;
}

static void fields_are_found_however_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const char *text = examples[i].text;
        size_t len = strlen(text);
        for (size_t cut = 0; cut <= len; cut++) {
            static struct header loop;
            loop = (struct header){0};
            found[0] = '\0';
            assert_false(header_feed(&loop, text, cut, note, NULL));
            assert_false(header_feed(&loop, text + cut, len - cut, note, NULL));
            if (strcmp(found, examples[i].found) != 0)
                fail_msg("'%s' cut at %zu: found %s", text, cut, found);
        }
    }
}

static void the_first_hit_is_enough(void **state)
{
    static const char text[] = "Delivered-To: a@x\nDelivered-To: b@x\nDelivered-To: c@x\n";
    char us[] = "b@x";
    struct header loop = {0};

    (void)state;
    found[0] = '\0';
    assert_true(header_feed(&loop, text, sizeof text - 1, note, us));
    assert_string_equal(found, "(a@x)(b@x)");
}

/* NUL and other bytes that are no text do no harm, nor do lines of any length. */
static void odd_bytes_do_no_harm(void **state)
{
    static const char text[] =
        "Delivered-To: a\0b@x\nDelivered-To: \xff@x\n\0\nDelivered-To: c@x\n";
    struct header loop = {0};

    (void)state;
    found[0] = '\0';
    for (int i = 0; i < 100000; i++)
        assert_false(header_feed(&loop, "x", 1, note, NULL));
    assert_false(header_feed(&loop, "\n", 1, note, NULL));
    assert_false(header_feed(&loop, text, sizeof text - 1, note, NULL));
    assert_string_equal(found, "(c@x)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_however_cut),
        cmocka_unit_test(the_first_hit_is_enough),
        cmocka_unit_test(odd_bytes_do_no_harm),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
