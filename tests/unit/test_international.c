/*
 * international: different spellings of one address, and invalid addresses.
 */
#include "../../smtpd/base/international.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void fold(const char *text, char folded[ADDRESS_TEXT_MAX])
{
    struct address address;

    assert_int_equal(address_parse(slice_of(text), &address), ADDRESS_OK);
    assert_int_equal(international_fold(&address), 0);
    assert_true(address_valid(&address));
    address_write(&address, folded);
}

/* NFC, case folding, IDNA 2008. */
static void all_spellings_have_one_form(void **state)
{
    static const struct {
        const char *written, *folded;
    } examples[] = {
        {"Alice@Example.ORG", "Alice@Example.ORG"}, /* ASCII is left to address_key() */
        {"J\xc3\x96RG@example.org", "j\xc3\xb6rg@example.org"},
        {"jo\xcc\x88rg@example.org", "j\xc3\xb6rg@example.org"},
        {"STRASSE\xc3\xbc@x", "strasse\xc3\xbc@x"},
        {"stra\xc3\x9f"
         "e\xc3\xbc@x",
         "strasse\xc3\xbc@x"},
        {"\xce\xa3\xce\x8a\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82@x",
         "\xcf\x83\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x83@x"},
        {"A@B\xc3\x9c"
         "CHER.Example",
         "a@xn--bcher-kva.example"},
        {"a@XN--BCHER-KVA.\xc3\xbc", "a@xn--bcher-kva.xn--tda"},
        {"a@fu\xc3\x9f"
         "ball.de",
         "a@xn--fuball-cta.de"},
        {"a@\xe4\xbe\x8b\xe5\xad\x90\xe3\x80\x82"
         "example",
         "a@xn--fsqu00a.example"},
        {"\xc3\xbc@[192.0.2.1]", "\xc3\xbc@[192.0.2.1]"},
        {"\xc3\xbc", "\xc3\xbc"},
    };
    char folded[ADDRESS_TEXT_MAX], again[ADDRESS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        fold(examples[i].written, folded);
        assert_string_equal(folded, examples[i].folded);
        fold(folded, again);
        assert_string_equal(again, folded);
    }
}

/* UTS 46 maps some characters to nothing: a domain with such a character must not become another
 * one. The parser refuses all of them, so none gets here. */
static void no_domain_becomes_another(void **state)
{
    (void)state;
    for (uint32_t c = 0xa0; c < 0x110000; c++) {
        char name[16] = "a@x", to[ADDRESS_DOMAIN_MAX + 1];
        size_t len = strlen(name);
        struct address address;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        if (c >= 0x10000)
            name[len++] = (char)(0xf0 | c >> 18);
        if (c >= 0x800)
            name[len++] = (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12);
        name[len++] = (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6);
        name[len++] = (char)(0x80 | (c & 0x3f));
        name[len++] = 'y';
        bool is_xy = international_domain((struct slice){name + 2, len - 2}, to) == 0 &&
                     strcmp(to, "xy") == 0;
        if (is_xy && address_parse((struct slice){name, len}, &address) == ADDRESS_OK)
            fail_msg("x, U+%04X, y is the domain xy", (unsigned)c);
    }
}

static void invalid_addresses_are_refused(void **state)
{
    static const char *const names[] = {
        "\xe2\x80\xae",                        /* U+202E reverses the direction */
        "a..\xc3\xbc", "\xcc\x88x",            /* begins with a mark */
        "xn--bcher-kva1\xc3\xbc.xn--\xc3\xbc", /* not what an A-label may be */
    };
    char to[ADDRESS_DOMAIN_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        errno = 0;
        if (international_domain(slice_of(names[i]), to) == 0)
            fail_msg("%s is %s", names[i], to);
        assert_int_equal(errno, EINVAL);
    }
    assert_false(international_missing());
}

/* Folding may make a name longer. */
static void names_that_become_too_long_are_refused(void **state)
{
    struct address address = {.local_len = ADDRESS_LOCAL_MAX, .domain_len = 1, .domain = "x"};
    char domain[ADDRESS_DOMAIN_MAX], to[ADDRESS_DOMAIN_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ADDRESS_LOCAL_MAX; i += 3)
        memcpy(address.local + i, "\xef\xac\x83", 3); /* U+FB03 is `ffi`: as long */
    assert_int_equal(international_fold(&address), 0);
    assert_int_equal(address.local_len, ADDRESS_LOCAL_MAX);
    for (size_t i = 0; i + 2 < ADDRESS_LOCAL_MAX; i += 2)
        memcpy(address.local + i, "\xc5\x89", 2); /* U+0149 is U+02BC and n: three bytes */
    address.local_len = 254;
    assert_int_equal(international_fold(&address), -1);
    assert_int_equal(errno, EINVAL);
    for (size_t i = 0; i + 2 < sizeof domain; i += 2)
        memcpy(domain + i, "\xc3\xbc", 2);
    assert_int_equal(international_domain((struct slice){domain, 254}, to), -1);
    assert_int_equal(errno, EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_spellings_have_one_form),
        cmocka_unit_test(invalid_addresses_are_refused),
        cmocka_unit_test(no_domain_becomes_another),
        cmocka_unit_test(names_that_become_too_long_are_refused),
    };

    return cmocka_run_group_tests_name("international", tests, NULL, NULL);
}
