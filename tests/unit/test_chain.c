/*
 * chain: what is added can be taken off again; what does not fit, or is cut short, is refused.
 */
#include "../../smtpd/wall/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void taken_as_added(void **state)
{
    char bytes[64];
    size_t len = 0;
    struct slice der;

    (void)state;
    assert_true(chain_add(bytes, sizeof bytes, &len, (struct slice){"own", 3}));
    assert_true(chain_add(bytes, sizeof bytes, &len, (struct slice){"authority", 9}));
    struct slice left = {bytes, len};
    assert_int_equal(chain_next(&left, &der), 1);
    assert_true(slice_is(der, "own"));
    assert_int_equal(chain_next(&left, &der), 1);
    assert_true(slice_is(der, "authority"));
    assert_int_equal(chain_next(&left, &der), 0);
}

static void no_room(void **state)
{
    char bytes[10];
    size_t len = 0;

    (void)state;
    assert_false(chain_add(bytes, sizeof bytes, &len, (struct slice){"1234567", 7}));
    assert_true(chain_add(bytes, sizeof bytes, &len, (struct slice){"123456", 6}));
    assert_false(chain_add(bytes, sizeof bytes, &len, (struct slice){"", 0}));
    assert_int_equal(len, sizeof bytes);
}

static void cut_short(void **state)
{
    char bytes[16];
    size_t len = 0;
    struct slice der;

    (void)state;
    assert_true(chain_add(bytes, sizeof bytes, &len, (struct slice){"own", 3}));
    for (size_t cut = 1; cut < len; cut++)
        assert_int_equal(chain_next(&(struct slice){bytes, cut}, &der), -1);
    memset(bytes, 0xff, sizeof(uint32_t));
    assert_int_equal(chain_next(&(struct slice){bytes, len}, &der), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_as_added),
        cmocka_unit_test(no_room),
        cmocka_unit_test(cut_short),
    };

    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
