/* address: the grammar of RFC 5321 4.1.2, as tables of input and result. */
#include "../../smtpd/base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LOCAL_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LABEL_63 "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define LOCAL_255                                                                                  \
    LOCAL_64 LOCAL_64 LOCAL_64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define DOMAIN_255 LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63

struct example {
    const char *text;
    enum address_result result;
    const char *written; /* as address_write() writes it */
    size_t rest;         /* bytes after the path */
};

static const struct example paths[] = {
    /* mailboxes */
    {"<alice@example.org>", ADDRESS_OK, "alice@example.org", 0},
    {"<Alice@Example.ORG>", ADDRESS_OK, "Alice@Example.ORG", 0},
    {"<a.b.c@x>", ADDRESS_OK, "a.b.c@x", 0},
    {"<!#$%&'*+-/=?^_`{|}~@x>", ADDRESS_OK, "!#$%&'*+-/=?^_`{|}~@x", 0},
    {"<alice@example.org> SIZE=10", ADDRESS_OK, "alice@example.org", 8},
    {"<alice@example.org>>", ADDRESS_OK, "alice@example.org", 1},
    {"<alice@a_b.example>", ADDRESS_OK, "alice@a_b.example", 0},
    {"<alice@1.2.3.4>", ADDRESS_OK, "alice@1.2.3.4", 0},
    /* the null path and the local part alone */
    {"<>", ADDRESS_OK, "", 0},
    {"<> BODY=7BIT", ADDRESS_OK, "", 10},
    {"<postmaster>", ADDRESS_OK, "postmaster", 0},
    {"<PostMaster>", ADDRESS_OK, "PostMaster", 0},
    /* quoted strings */
    {"<\"alice\"@x>", ADDRESS_OK, "alice@x", 0},
    {"<\"a b\"@x>", ADDRESS_OK, "\"a b\"@x", 0},
    {"<\"a@b\"@x>", ADDRESS_OK, "\"a@b\"@x", 0},
    {"<\"a>b\"@x>", ADDRESS_OK, "\"a>b\"@x", 0},
    {"<\"a\\\"b\\\\\"@x>", ADDRESS_OK, "\"a\\\"b\\\\\"@x", 0},
    {"<\"\\a\"@x>", ADDRESS_OK, "a@x", 0},
    {"<\"\"@x>", ADDRESS_OK, "\"\"@x", 0},
    {"<\".a\"@x>", ADDRESS_OK, "\".a\"@x", 0},
    {"<\"a..b\"@x>", ADDRESS_OK, "\"a..b\"@x", 0},
    {"<\"abc@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<\"abc\\\"@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<\"a\tb\"@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<\"a\x01\"@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<\"a\x7f\"@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<\"a\"b@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<\"a\".b@x>", ADDRESS_SYNTAX, NULL, 0},
    /* dots where RFC 5321 does not allow them: accepted, and quoted when written */
    {"<.alice@x>", ADDRESS_OK, "\".alice\"@x", 0},
    {"<alice.@x>", ADDRESS_OK, "\"alice.\"@x", 0},
    {"<a..b@x>", ADDRESS_OK, "\"a..b\"@x", 0},
    {"<a...b.c@x>", ADDRESS_OK, "\"a...b.c\"@x", 0},
    {"<..a..b..@a_b.x_>", ADDRESS_OK, "\"..a..b..\"@a_b.x_", 0},
    {"<.@x>", ADDRESS_OK, "\".\"@x", 0},
    {"<..>", ADDRESS_OK, "\"..\"", 0},
    {"<.m\xc3\xbcller@x>", ADDRESS_OK, "\".m\xc3\xbcller\"@x", 0},
    {"<a..b c@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<a..\"b\"@x>", ADDRESS_SYNTAX, NULL, 0},
    /* address literals */
    {"<a@[192.0.2.1]>", ADDRESS_OK, "a@[192.0.2.1]", 0},
    {"<a@[IPv6:2001:db8::1]>", ADDRESS_OK, "a@[IPv6:2001:db8::1]", 0},
    {"<a@[ipv6:::ffff:192.0.2.1]>", ADDRESS_OK, "a@[ipv6:::ffff:192.0.2.1]", 0},
    {"<a@[192.0.2.256]>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@[192.0.2]>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@[2001:db8::1]>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@[IPv6:192.0.2.1]>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@[IPv6:]>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@[x400:foo]>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@[]>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@[192.0.2.1>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@[192.0.2.1]x>", ADDRESS_SYNTAX, NULL, 0},
    /* source routes: checked and ignored */
    {"<@a.example:alice@b.example>", ADDRESS_OK, "alice@b.example", 0},
    {"<@a.example,@[192.0.2.1]:alice@b.example>", ADDRESS_OK, "alice@b.example", 0},
    {"<@a.example:\"x y\"@b.example>", ADDRESS_OK, "\"x y\"@b.example", 0},
    {"<@a.example>", ADDRESS_SYNTAX, NULL, 0},
    {"<@a.example:>", ADDRESS_SYNTAX, NULL, 0},
    {"<@a.example,alice@b.example>", ADDRESS_SYNTAX, NULL, 0},
    {"<@a.example,:alice@b.example>", ADDRESS_SYNTAX, NULL, 0},
    {"<@-a:alice@b.example>", ADDRESS_SYNTAX, NULL, 0},
    /* not paths */
    {"", ADDRESS_SYNTAX, NULL, 0},
    {"<", ADDRESS_SYNTAX, NULL, 0},
    {"alice@example.org", ADDRESS_SYNTAX, NULL, 0},
    {"<alice@example.org", ADDRESS_SYNTAX, NULL, 0},
    {" <alice@example.org>", ADDRESS_SYNTAX, NULL, 0},
    {"< alice@example.org>", ADDRESS_SYNTAX, NULL, 0},
    {"<alice@example.org >", ADDRESS_SYNTAX, NULL, 0},
    {"<al ice@example.org>", ADDRESS_SYNTAX, NULL, 0},
    {"<alice@>", ADDRESS_SYNTAX, NULL, 0},
    {"<@>", ADDRESS_SYNTAX, NULL, 0},
    {"<@example.org>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@b@c>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@.x>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x.>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x..y>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@-x>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x->", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x-.y>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x!y>", ADDRESS_SYNTAX, NULL, 0},
    {"<a(comment)@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<a\\b@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<<a@x>>", ADDRESS_SYNTAX, NULL, 0},
    /* RFC 6531: UTF-8 that is not ASCII and not a control character */
    {"<m\xc3\xbcller@x>", ADDRESS_OK, "m\xc3\xbcller@x", 0},
    {"<\xf0\x9f\x93\xac.\xe2\x82\xac@x>", ADDRESS_OK, "\xf0\x9f\x93\xac.\xe2\x82\xac@x", 0},
    {"<\"m \xc3\xbc\"@x>", ADDRESS_OK, "\"m \xc3\xbc\"@x", 0},
    {"<\"m\xc3\xbc\"@x>", ADDRESS_OK, "m\xc3\xbc@x", 0},
    {"<a@b\xc3\xbc.x>", ADDRESS_OK, "a@b\xc3\xbc.x", 0},
    {"<a@\xc3\xbc>", ADDRESS_OK, "a@\xc3\xbc", 0},
    {"<@b\xc3\xbc.x:a@b>", ADDRESS_OK, "a@b", 0},
    {"<\"\\\xc3\xbc\"@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<m\xfcller@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<m\xc3@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<m\xc0\xae@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<m\xc2\x85@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<\"m\xc2\x9b\"@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<m\xed\xa0\x80@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<m\xf4\x90\x80\x80@x>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@\xc3>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@\xc2\x80>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@-\xc3\xbc>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@\xc3\xbc->", ADDRESS_SYNTAX, NULL, 0},
    /* nor, in a domain, one without any width: U+AD, U+200B, U+2060, U+FEFF, U+FE0F, U+E0020 */
    {"<a@x\xc2\xady>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x\xe2\x80\x8by>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x\xe2\x81\xa0.y>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@\xef\xbb\xbfx>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x\xef\xb8\x8f>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x\xf3\xa0\x80\xa0>", ADDRESS_SYNTAX, NULL, 0},
    {"<@x\xe2\x80\x8by:a@b>", ADDRESS_SYNTAX, NULL, 0},
    {"<a@x\xe2\x80\xaey>", ADDRESS_SYNTAX, NULL, 0},       /* U+202E, right-to-left override */
    {"<a@x\xe2\x81\xa6>", ADDRESS_SYNTAX, NULL, 0},        /* U+2066, an isolate */
    {"<a@x\xe3\x85\xa4>", ADDRESS_SYNTAX, NULL, 0},        /* U+3164, Hangul filler */
    {"<a@x\xe2\x80\xa8y>", ADDRESS_SYNTAX, NULL, 0},       /* U+2028, line separator */
    {"<a@x\xe2\x80\x8dy>", ADDRESS_SYNTAX, NULL, 0},       /* a joiner in ASCII */
    {"<a@\xe2\x80\x8c\xd9\x86>", ADDRESS_SYNTAX, NULL, 0}, /* at the beginning */
    {"<a@\xd9\x86\xe2\x80\x8c\xd9\x86>", ADDRESS_OK, "a@\xd9\x86\xe2\x80\x8c\xd9\x86", 0},
    {"<a\xe2\x80\x8b@x>", ADDRESS_OK, "a\xe2\x80\x8b@x", 0},
    /* limits */
    {"<" LOCAL_255 "@" DOMAIN_255 ">", ADDRESS_OK, LOCAL_255 "@" DOMAIN_255, 0},
    {"<" LOCAL_255 "x@x>", ADDRESS_TOO_LONG, NULL, 0},
    {"<\"" LOCAL_255 "\"@x>", ADDRESS_OK, LOCAL_255 "@x", 0},
    {"<\"" LOCAL_255 "x\"@x>", ADDRESS_TOO_LONG, NULL, 0},
    {"<a@" LABEL_63 ">", ADDRESS_OK, "a@" LABEL_63, 0},
    {"<a@" LABEL_63 "d>", ADDRESS_TOO_LONG, NULL, 0},
    {"<a@x." DOMAIN_255 ">", ADDRESS_TOO_LONG, NULL, 0},
};

static void paths_are_parsed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const struct example *example = &paths[i];
        char written[ADDRESS_TEXT_MAX];
        struct address address;
        size_t len = strlen(example->text), used = 0;
        enum address_result result =
            address_parse_path((struct slice){example->text, len}, &address, &used);
        if (result != example->result)
            fail_msg("%s: %d, not %d", example->text, (int)result, (int)example->result);
        if (result != ADDRESS_OK)
            continue;
        size_t written_len = address_write(&address, written);
        assert_string_equal(written, example->written);
        assert_int_equal(written_len, strlen(written));
        assert_int_equal(len - used, example->rest);
        assert_true(address_valid(&address));
    }
}

/* Only the closing bracket ends a path. */
static void truncated_paths_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const struct example *example = &paths[i];
        size_t whole = strlen(example->text) - example->rest;
        struct address address;
        size_t used;
        for (size_t len = 0; example->result == ADDRESS_OK && len < whole; len++)
            assert_int_not_equal(
                address_parse_path((struct slice){example->text, len}, &address, &used),
                ADDRESS_OK);
    }
}

static void nul_does_not_end_a_path(void **state)
{
    static const char *const texts[] = {"<a?b@x>", "<a@x?y>", "<\"a?b\"@x>", "<a@[192.0.2.1?]>",
                                        "<@x?:a@b>"};
    struct address address;
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[32];
        size_t len = strlen(texts[i]);
        memcpy(text, texts[i], len + 1);
        *strchr(text, '?') = '\0';
        assert_int_equal(address_parse_path((struct slice){text, len}, &address, &used),
                         ADDRESS_SYNTAX);
    }
}

/* Every byte, in a local part, bare and quoted, and in a domain. */
static void each_byte_is_allowed_in_its_places(void **state)
{
    static const char atext[] = "!#$%&'*+-/=?^_`{|}~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    struct address address;
    size_t used;

    (void)state;
    for (int c = 1; c < 256; c++) {
        char bare[] = "<a?b@x>", quoted[] = "<\"a?b\"@x>", domain[] = "<a@x?y>";
        bare[2] = quoted[3] = domain[4] = (char)c;
        /* `<a>` and `<a@x>` are whole paths, too. */
        bool in_local = strchr(atext, c) != NULL || c == '.' || c == '>';
        bool in_quotes = c >= ' ' && c <= '~' && c != '"';
        bool in_domain = strchr(atext + 19, c) != NULL || strchr("-_.>", c) != NULL;
        assert_int_equal(address_parse_path((struct slice){bare, sizeof bare - 1}, &address,
                                            &used) == ADDRESS_OK,
                         in_local);
        assert_int_equal(address_parse_path((struct slice){quoted, sizeof quoted - 1}, &address,
                                            &used) == ADDRESS_OK,
                         in_quotes);
        assert_int_equal(address_parse_path((struct slice){domain, sizeof domain - 1}, &address,
                                            &used) == ADDRESS_OK,
                         in_domain);
    }
}

static const struct {
    const char *text;
    enum address_result result;
    const char *key;
} keys[] = {
    {"Alice@Example.ORG", ADDRESS_OK, "alice@example.org"},
    {"\"Alice\"@Example.ORG", ADDRESS_OK, "alice@example.org"},
    {"\"A b\"@x", ADDRESS_OK, "a b@x"},
    {"\"a@b\"@x", ADDRESS_OK, "a@b@x"},
    {"alice", ADDRESS_OK, "alice"},
    {"", ADDRESS_SYNTAX, NULL},
    {"\"\"", ADDRESS_SYNTAX, NULL},
    {"<alice>", ADDRESS_SYNTAX, NULL},
    {"alice@x y", ADDRESS_SYNTAX, NULL},
    {"alice@x,", ADDRESS_SYNTAX, NULL},
    {"@a:alice@x", ADDRESS_SYNTAX, NULL},
};

static void keys_are_canonical(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char key[ADDRESS_KEY_MAX], again[ADDRESS_KEY_MAX];
        struct address address, back;
        assert_int_equal(address_parse(slice_of(keys[i].text), &address), keys[i].result);
        if (keys[i].result != ADDRESS_OK)
            continue;
        size_t len = address_key(&address, key);
        assert_int_equal(len, strlen(keys[i].key));
        assert_memory_equal(key, keys[i].key, len);
        if (address.domain_len > 0) {
            assert_int_equal(address_from_key((struct slice){key, len}, &back), ADDRESS_OK);
            assert_int_equal(address_key(&back, again), len);
            assert_memory_equal(again, key, len);
        }
    }
}

static void malformed_keys_are_refused(void **state)
{
    static const char *const wrong[] = {"a@", "a@-x", "a\n@x", "a\x80@x", "a@x y", "a@x\n"};
    struct address address;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_not_equal(address_from_key(slice_of(wrong[i]), &address), ADDRESS_OK);
    assert_int_equal(address_from_key((struct slice){LOCAL_255 "x@x", 258}, &address),
                     ADDRESS_TOO_LONG);
    assert_int_equal(address_from_key((struct slice){"a\0b@x", 5}, &address), ADDRESS_SYNTAX);
    memset(&address, 'a', sizeof address);
    address.local_len = address.domain_len = UINT16_MAX;
    assert_false(address_valid(&address));
}

static void domains_are_parsed(void **state)
{
    static const struct {
        const char *text;
        enum address_result result;
    } domains[] = {
        {"example.org", ADDRESS_OK},
        {"x", ADDRESS_OK},
        {"xn--bcher-kva.de", ADDRESS_OK},
        {"[192.0.2.1]", ADDRESS_OK},
        {"[IPv6:::1]", ADDRESS_OK},
        {DOMAIN_255, ADDRESS_OK},
        {"", ADDRESS_SYNTAX},
        {".", ADDRESS_SYNTAX},
        {"x.", ADDRESS_SYNTAX},
        {"a b", ADDRESS_SYNTAX},
        {"a,b", ADDRESS_SYNTAX},
        {"a/b", ADDRESS_SYNTAX},
        {"..", ADDRESS_SYNTAX},
        {"b\xc3\xbc", ADDRESS_OK},
        {"b\xc3", ADDRESS_SYNTAX},
        {DOMAIN_255 ".x", ADDRESS_TOO_LONG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++)
        assert_int_equal(address_parse_domain(slice_of(domains[i].text)), domains[i].result);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_parsed),
        cmocka_unit_test(truncated_paths_are_refused),
        cmocka_unit_test(nul_does_not_end_a_path),
        cmocka_unit_test(each_byte_is_allowed_in_its_places),
        cmocka_unit_test(keys_are_canonical),
        cmocka_unit_test(domains_are_parsed),
        cmocka_unit_test(malformed_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
