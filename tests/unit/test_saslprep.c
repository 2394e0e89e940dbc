/* saslprep: the forms of a password, with the examples of RFC 4013 section 3. */
#include "../../smtpd/base/saslprep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void forms_are_those_of_the_profiles(void **state)
{
    static const struct {
        const char *from, *compatible, *opaque;
    } rows[] = {
        {"", "", ""},
        {"user", "user", "user"},
        {"USER", "USER", "USER"},
        {"I\xc2\xadX", "IX", "I\xc2\xadX"},
        {"\xc2\xaa", "a", "\xc2\xaa"},
        {"\xe2\x85\xa8", "IX", "\xe2\x85\xa8"},
        /* composed, or not */
        {"p\xc3\xa4ss", "p\xc3\xa4ss", "p\xc3\xa4ss"},
        {"pa\xcc\x88ss", "p\xc3\xa4ss", "p\xc3\xa4ss"},
        {"\xe1\xb9\xa9", "\xe1\xb9\xa9", "\xe1\xb9\xa9"},
        {"s\xcc\x87\xcc\xa3", "\xe1\xb9\xa9", "\xe1\xb9\xa9"}, /* marks in the other order */
        {"\xe2\x84\xab", "\xc3\x85", "\xc3\x85"},              /* the angstrom sign */
        /* compatibility characters */
        {"-\xe2\x91\xa0", "-1", "-\xe2\x91\xa0"},
        {"\xef\xac\x81n", "fin", "\xef\xac\x81n"},
        {"\xef\xbd\x81", "a", "\xef\xbd\x81"},
        /* spaces of all kinds, and invisible characters */
        {"a b", "a b", "a b"},
        {"a\xc2\xa0"
         "b",
         "a b", "a b"},
        {"a\xe1\x9a\x80"
         "b",
         "a b", "a b"},
        {"a\xe2\x80\x89"
         "b",
         "a b", "a b"},
        {"a\xe3\x80\x80"
         "b",
         "a b", "a b"},
        {"a\xe2\x80\x8b"
         "b",
         "ab",
         "a\xe2\x80\x8b"
         "b"},
        {"a\xef\xbb\xbf"
         "b",
         "ab",
         "a\xef\xbb\xbf"
         "b"},
        {"\xe2\x9d\xa4\xef\xb8\x8f", "\xe2\x9d\xa4", "\xe2\x9d\xa4\xef\xb8\x8f"},
        /* case is kept; the last character of Unicode's planes */
        {"\xc3\x84\xc3\xa4", "\xc3\x84\xc3\xa4", "\xc3\x84\xc3\xa4"},
        {"\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *wanted[] = {
            [SASLPREP_COMPATIBLE] = rows[i].compatible, [SASLPREP_OPAQUE] = rows[i].opaque};
        for (int form = SASLPREP_COMPATIBLE; form <= SASLPREP_OPAQUE; form++) {
            char to[SASLPREP_MAX];
            memset(to, 'x', sizeof to);
            int len = saslprep(slice_of(rows[i].from), (enum saslprep_form)form, to);
            if (len != (int)strlen(wanted[form]) || strcmp(to, wanted[form]) != 0)
                fail_msg("%s, form %d: %d %.*s", rows[i].from, form, len, len < 0 ? 0 : len, to);
        }
    }
}

static void preparing_twice_makes_no_difference(void **state)
{
    static const char from[] = "\xef\xac\x81 pa\xcc\x88ss\xe2\x80\x8b-\xe2\x91\xa0";

    (void)state;
    for (int form = SASLPREP_COMPATIBLE; form <= SASLPREP_OPAQUE; form++) {
        char once[SASLPREP_MAX], twice[SASLPREP_MAX];
        int len = saslprep(slice_of(from), (enum saslprep_form)form, once);
        assert_true(len > 0);
        assert_int_equal(
            saslprep((struct slice){once, (size_t)len}, (enum saslprep_form)form, twice), len);
        assert_string_equal(once, twice);
    }
}

static void only_utf8_is_accepted(void **state)
{
    static const char *const rows[] = {
        "\xff",             /* never a byte of UTF-8 */
        "a\x80",            /* no first byte */
        "p\xe4ss",          /* Latin-1 */
        "a\xc3",            /* cut short */
        "\xe2\x91",         /* the same */
        "\xc0\xaf",         /* an overlong form */
        "\xe0\x80\xaf",     /* the same */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* after the last character */
        "\xf8\x88\x80\x80\x80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int form = SASLPREP_COMPATIBLE; form <= SASLPREP_OPAQUE; form++) {
            char to[SASLPREP_MAX];
            if (saslprep(slice_of(rows[i]), (enum saslprep_form)form, to) != -1)
                fail_msg("%zu, form %d: taken", i, form);
        }
}

static void a_form_that_does_not_fit_is_refused(void **state)
{
    char from[2 * SASLPREP_MAX], to[SASLPREP_MAX];

    (void)state;
    memset(from, 'x', sizeof from);
    for (int form = SASLPREP_COMPATIBLE; form <= SASLPREP_OPAQUE; form++) {
        enum saslprep_form as = (enum saslprep_form)form;
        memset(from, 'x', 2);
        assert_int_equal(saslprep((struct slice){from, SASLPREP_MAX - 1}, as, to),
                         SASLPREP_MAX - 1);
        assert_int_equal(to[SASLPREP_MAX - 1], '\0');
        assert_int_equal(saslprep((struct slice){from, SASLPREP_MAX}, as, to), -1);
        memcpy(from, "\xc3\xa4", 2);
        assert_int_equal(saslprep((struct slice){from, SASLPREP_MAX - 1}, as, to),
                         SASLPREP_MAX - 1);
        assert_int_equal(to[SASLPREP_MAX - 1], '\0');
        assert_int_equal(saslprep((struct slice){from, SASLPREP_MAX}, as, to), -1);
        assert_int_equal(saslprep((struct slice){from, sizeof from}, as, to), -1);
    }
    /* U+FDFA grows from 3 bytes to 33, U+FB2C from 3 to 6 in either form. */
    for (size_t i = 0; i < 32 * 3; i += 3)
        memcpy(from + i, "\xef\xb7\xba", 3);
    assert_int_equal(saslprep((struct slice){from, 31 * 3}, SASLPREP_COMPATIBLE, to), 31 * 33);
    assert_int_equal(saslprep((struct slice){from, 32 * 3}, SASLPREP_COMPATIBLE, to), -1);
    assert_int_equal(saslprep((struct slice){from, 32 * 3}, SASLPREP_OPAQUE, to), 32 * 3);
    for (size_t i = 0; i < 171 * 3; i += 3)
        memcpy(from + i, "\xef\xac\xac", 3);
    assert_int_equal(saslprep((struct slice){from, 170 * 3}, SASLPREP_OPAQUE, to), 170 * 6);
    assert_int_equal(saslprep((struct slice){from, 171 * 3}, SASLPREP_OPAQUE, to), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_those_of_the_profiles),
        cmocka_unit_test(preparing_twice_makes_no_difference),
        cmocka_unit_test(only_utf8_is_accepted),
        cmocka_unit_test(a_form_that_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
