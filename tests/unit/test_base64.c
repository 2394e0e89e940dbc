/*
 * base64 and the names of mechanisms: decoding reverses encoding; anything but exact base64 is
 * refused.
 */
#include "../../smtpd/base/base64.h"
#include "../../smtpd/wall/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648 section 10. */
static void examples_are_encoded_and_decoded(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"},
        {"\xfb\xef\xbe", "++++"},
    };
    char text[64], bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t len = base64_encode(pairs[i][0], strlen(pairs[i][0]), text);
        assert_int_equal(len, strlen(pairs[i][1]));
        assert_string_equal(text, pairs[i][1]);
        assert_true(BASE64_SIZE(strlen(pairs[i][0])) == len + 1);
        ptrdiff_t got = base64_decode((struct slice){text, len}, bytes, strlen(pairs[i][0]));
        assert_int_equal(got, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], (size_t)got);
    }
}

static void all_bytes_are_decoded_again(void **state)
{
    char bytes[256], text[BASE64_SIZE(256)], again[256];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        size_t made = base64_encode(bytes, len, text);
        assert_int_equal(base64_decode((struct slice){text, made}, again, len), len);
        assert_memory_equal(again, bytes, len);
        if (len > 0)
            assert_int_equal(base64_decode((struct slice){text, made}, again, len - 1), -1);
    }
}

/* CVE-2018-6789: with a length not divisible by four, one byte too many was written. */
static void nothing_else_is_base64(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {
#define BAD(text) {text, sizeof(text) - 1}
        BAD("Z"),     BAD("Zg"),       BAD("Zg="),          BAD("Zm9vY"),    BAD("===="),
        BAD("Z==="),  BAD("Zg==Zg=="), BAD("Zg=a"),         BAD("=Zg="),     BAD("Zm8=Zm8="),
        BAD(" Zg=="), BAD("Zg== "),    BAD("Z g="),         BAD("Zg==\n"),   BAD("Zm\r\n"),
        BAD("Zh=="),  BAD("Zm9="),     BAD("Zm9v\0\0\0\0"), BAD("Zm-_"),     BAD("Zm9\xc3"),
        BAD("*"),     BAD("="),        BAD("Zm9v===="),     BAD("Zm9v=m9v"), BAD("Zg=\0"),
    };
    char bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (base64_decode((struct slice){bad[i].text, bad[i].len}, bytes, sizeof bytes) != -1)
            fail_msg("'%s' was taken", bad[i].text);
}

static void mechanisms_have_names(void **state)
{
    char names[SASL_NAMES_MAX];

    (void)state;
    assert_int_equal(sasl_mechanism(slice_of("PLAIN")), WALL_PLAIN);
    assert_int_equal(sasl_mechanism(slice_of("plain")), WALL_PLAIN);
    assert_int_equal(sasl_mechanism((struct slice){"PLAINX", 5}), WALL_PLAIN);
    assert_int_equal(sasl_mechanism(slice_of("PLAINX")), 0);
    assert_int_equal(sasl_mechanism(slice_of("PLAI")), 0);
    assert_int_equal(sasl_mechanism(slice_of("")), 0);
    assert_int_equal(sasl_mechanism(slice_of("SCRAM-SHA-256")), WALL_SCRAM);
    assert_int_equal(sasl_mechanism(slice_of("Scram-sha-256-plus")), WALL_SCRAM_PLUS);
    assert_int_equal(sasl_mechanism(slice_of("CRAM-MD5")), 0);
    sasl_names(0, names);
    assert_string_equal(names, "");
    sasl_names(~0U, names);
    assert_string_equal(names, " SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN EXTERNAL");
    sasl_names(WALL_PLAIN | WALL_LOGIN, names);
    assert_string_equal(names, " PLAIN LOGIN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_are_encoded_and_decoded),
        cmocka_unit_test(all_bytes_are_decoded_again),
        cmocka_unit_test(nothing_else_is_base64),
        cmocka_unit_test(mechanisms_have_names),
    };

    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
