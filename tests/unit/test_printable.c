/*
 * printable: control characters in any encoding are masked, and letters stay.
 */
#include "../../tools/kit/printable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void controls_are_masked(void **state)
{
    static const struct {
        char text[16];
        const char *due;
    } rows[] = {
        {"a b~", "a b~"},
        {"\x1b[2J", "?[2J"},
        {"\x7f\t\r\n", "????"},
        {"\xc2\x9b"
         "2J",
         "??2J"},                                 /* U+009B */
        {"\xc2\x80\xc2\x9f", "????"},             /* the first and the last */
        {"\xc2\xa0\xc3\xb6", "\xc2\xa0\xc3\xb6"}, /* the next one, and a letter */
        {"\xe2\x9b\x9b", "\xe2\x9b\x9b"},         /* U+26DB: bytes of a longer character */
        {"\x9b"
         "31m",
         "?31m"},                 /* as one byte */
        {"\xf6\xe4", "\xf6\xe4"}, /* Latin-1 */
        {"\xe2\x9b", "\xe2?"},    /* cut short */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[sizeof rows[i].text];
        memcpy(text, rows[i].text, sizeof text);
        printable(text);
        assert_string_equal(text, rows[i].due);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(controls_are_masked)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
