/*
 * certificates: the server name in a client's TLS extension.
 */
#include "../../smtpd/front/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct certificates all;

static int take(const void *bytes, size_t len)
{
    memset(&all, 0, sizeof all);
    return certificates_take_name(&all, bytes, len);
}

static void names_are_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *name;
    } good[] = {
        {"\0\6\0\0\3a.b", 8, "a.b"},
        {"\0\6\0\0\3m_s", 8, "m_s"},
        {"\0\6\0\0\3\1\xff/", 8, "\1\xff/"},
        {"\0\6\0\0\3a\0b", 8, ""}, /* a NUL would hide what follows it */
        {"\0\3\0\0\0", 5, ""},
        {"\0\4\7\0\1x", 6, ""},                /* another type of name */
        {"\0\x0a\7\0\1x\0\0\3a.b", 12, "a.b"}, /* followed by a host name */
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(take(good[i].bytes, good[i].len), 0);
        assert_string_equal(all.name, good[i].name);
    }
}

static void overlong_names_are_ignored(void **state)
{
    unsigned char bytes[5 + 1000] = {0};

    (void)state;
    memset(bytes + 5, 'a', 1000);
    for (size_t len = 1; len <= 1000; len++) {
        bytes[0] = (unsigned char)((len + 3) >> 8);
        bytes[1] = (unsigned char)(len + 3);
        bytes[3] = (unsigned char)(len >> 8);
        bytes[4] = (unsigned char)len;
        assert_int_equal(take(bytes, len + 5), 0);
        assert_int_equal(strlen(all.name), len < sizeof all.name ? len : 0);
    }
}

static void malformed_extensions_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"", 0},
        {"\0", 1},
        {"\0\0", 2},
        {"\0\1\0", 3},
        {"\0\2\0\0", 4},
        {"\0\3\0\0\1", 5},
        {"\0\7\0\0\3a.b", 8},
        {"\0\5\0\0\3a.b", 8},
        {"\0\4\0\0\0x", 6},
        {"\0\4\0\xff\xff"
         "x",
         6},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(take(bad[i].bytes, bad[i].len), GNUTLS_E_UNEXPECTED_PACKET_LENGTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(overlong_names_are_ignored),
        cmocka_unit_test(malformed_extensions_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
