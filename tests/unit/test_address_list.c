/*
 * address_list: every form of RFC 5322 section 3.4, its examples, and what is none of them.
 */
#include "../../tools/sendmail/address_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 8192 };

/* The list again, with `@example.org` after what has no domain; then a `|`, and the addresses, each
 * in brackets. `!` if it is not a list. */
static void describe(struct slice text, char to[TEXT_MAX])
{
    struct address_list list = {.text = text};
    char found[TEXT_MAX] = "", rewritten[TEXT_MAX] = "", written[ADDRESS_TEXT_MAX];
    size_t from = 0;
    int more;

    while ((more = address_list_next(&list)) == 1) {
        address_write(&list.address, written);
        sprintf(found + strlen(found), "<%s>", written);
        assert_true(list.address_end >= from && list.address_end <= text.len);
        if (list.address.local_len > 0 && list.address.domain_len == 0) {
            sprintf(rewritten + strlen(rewritten), "%.*s@example.org",
                    (int)(list.address_end - from), text.at + from);
            from = list.address_end;
        }
    }
    sprintf(rewritten + strlen(rewritten), "%.*s", (int)(text.len - from), text.at + from);
    snprintf(to, TEXT_MAX, "%s|%s%s", rewritten, found, more < 0 ? "!" : "");
}

static const struct {
    const char *list, *rewritten; /* NULL: the same */
    const char *found;
} lists[] = {
    {"", NULL, ""},
    {" \n\t", NULL, ""},
    {"alice@example.com", NULL, "<alice@example.com>"},
    {" alice@example.com\n", NULL, "<alice@example.com>"},
    {"alice", "alice@example.org", "<alice>"},
    {"root (Cron Daemon)\n", "root@example.org (Cron Daemon)\n", "<root>"},
    {"Cron <root>", "Cron <root@example.org>", "<root>"},
    {"< root >", "< root@example.org >", "<root>"},
    {"a, b,c@d", "a@example.org, b@example.org,c@d", "<a><b><c@d>"},
    {"a@b, , ,c@d,", NULL, "<a@b><c@d>"},
    {",", NULL, ""},
    {"\"a b\"", "\"a b\"@example.org", "<\"a b\">"},
    /* RFC 5322 appendix A */
    {"\"Joe Q. Public\" <john.q.public@example.com>", NULL, "<john.q.public@example.com>"},
    {"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>", NULL,
     "<mary@x.test><jdoe@example.org><one@y.test>"},
    {"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>", NULL,
     "<boss@nil.test><sysservices@example.net>"},
    {"A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;", NULL,
     "<joe@where.test><joe@where.test><jdoe@one.test>"},
    {"Undisclosed recipients:;", NULL, ""},
    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", NULL, "<pete@silly.test>"},
    {"A Group(Some people)\n     :Chris Jones <c@(Chris's host.)public.example>,\n"
     "         joe@example.org,\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
     NULL, "<c@public.example><joe@example.org><jdoe@one.test>"},
    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", NULL, ""},
    {"Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example", NULL,
     "<mary@example.net><jdoe@test.example>"},
    {"<@a.test,@b.test:mary@example.net>", NULL, "<mary@example.net>"},
    {"Joe Q. Public <john.q.public@example.com>", NULL, "<john.q.public@example.com>"},
    /* odd, but clear */
    {"a:b@c;, d@e", NULL, "<b@c><d@e>"},
    {"a:b@c;d@e", NULL, "<b@c><d@e>"},
    {"g:a,b", "g:a@example.org,b@example.org", "<a><b>"},
    {"alice @ example.com", NULL, "<alice@example.com>"},
    {"alice\n @\n example.com", NULL, "<alice@example.com>"},
    {"(a(b(c\\()))x@y(z)", NULL, "<x@y>"},
    {"x@[192.0.2.1]", NULL, "<x@[192.0.2.1]>"},
    {"x@[IPv6:::1]", NULL, "<x@[IPv6:::1]>"},
    {"\"a,b\"@c, \"<x@y>\" <d@e>", NULL, "<\"a,b\"@c><d@e>"},
    {"\"a\n b\"@c", NULL, "<\"a b\"@c>"},
    {"\"a\\\"b\"@c", NULL, "<\"a\\\"b\"@c>"},
    {"J\xc3\xb6rg <joerg@example.com>", NULL, "<joerg@example.com>"},
    {"j\xc3\xb6rg@example.com", NULL, "<j\xc3\xb6rg@example.com>"},
    {"=?utf-8?Q?J=C3=B6rg?= <joerg@example.com>", NULL, "<joerg@example.com>"},
    {"a/b+c!d%e@f", NULL, "<a/b+c!d%e@f>"},
    {"<>", NULL, "<>"},
    {"MAILER-DAEMON <>, a@b", NULL, "<><a@b>"},
    {"a..b.@c", NULL, "<\"a..b.\"@c>"},
    {".", ".@example.org", "<\".\">"},
    /* no lists */
    {"alice bob", NULL, "!"},
    {"alice@example.com bob@example.com", NULL, "!"},
    {"a@b, John Doe, c@d", NULL, "<a@b>!"},
    {"a@b <c@d> e@f", NULL, "!"},
    {"<a@b", NULL, "!"},
    {"a@b>", NULL, "!"},
    {"<a@b, c@d>", NULL, "!"},
    {"<<a@b>>", NULL, "!"},
    {"\"a@b", NULL, "!"},
    {"\"a\\", NULL, "!"},
    {"(a@b", NULL, "!"},
    {"(a\\", NULL, "!"},
    {"a@b)", NULL, "!"},
    {"a@b (c))", NULL, "!"},
    {"x@[1.2", NULL, "!"},
    {"a\\b@c", NULL, "!"},
    {"a@", NULL, "!"},
    {"@b", NULL, "!"},
    {"a@b@c", NULL, "!"},
    {"a@-b-", NULL, "!"},
    {"a\x01@b", NULL, "!"},
};

static void lists_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char text[TEXT_MAX], due[TEXT_MAX];
        describe(slice_of(lists[i].list), text);
        bool wrong = slice_ends(slice_of(lists[i].found), "!");
        snprintf(due, sizeof due, "%s|%s",
                 lists[i].rewritten == NULL ? lists[i].list : lists[i].rewritten, lists[i].found);
        if (strcmp(wrong ? strrchr(text, '|') : text, wrong ? strrchr(due, '|') : due) != 0)
            fail_msg("`%s`: %s, not %s", lists[i].list, text, due);
    }
}

/* A NUL is part of no address. */
static void nul(void **state)
{
    char text[TEXT_MAX];

    (void)state;
    describe((struct slice){"a\0@b", 4}, text);
    assert_true(slice_ends(slice_of(text), "!"));
    describe((struct slice){"a@b\0", 4}, text);
    assert_true(slice_ends(slice_of(text), "!"));
}

static void long_ones(void **state)
{
    static char text[TEXT_MAX * 4], found[TEXT_MAX];

    (void)state;
    memset(text, 'a', 255);
    strcpy(text + 255, "@b");
    describe(slice_of(text), found);
    assert_null(strchr(found, '!'));
    memset(text, 'a', 5000);
    strcpy(text + 5000, "@b");
    struct address_list list = {.text = slice_of(text)};
    assert_int_equal(address_list_next(&list), -1);
    memset(text, '(', 5000); /* comments are not endless */
    list = (struct address_list){.text = slice_of(text)};
    assert_int_equal(address_list_next(&list), -1);
    memset(text, 'a', 5000);
    strcpy(text + 5000, " <a@b>"); /* a name may be */
    list = (struct address_list){.text = slice_of(text)};
    assert_int_equal(address_list_next(&list), 1);
}

/* Whatever comes, it ends, and stays within the text. */
static void anything(void **state)
{
    static const char alphabet[] = "ab.@<>()[]:;,\\\" \n";
    char bytes[12], text[TEXT_MAX];

    (void)state;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        size_t len = (size_t)rand() % sizeof bytes;
        char *copy = malloc(len + 1); /* so that sanitizers see what is read beyond it */
        assert_non_null(copy);
        for (size_t j = 0; j < len; j++)
            bytes[j] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
        memcpy(copy, bytes, len);
        char *end = realloc(copy, len > 0 ? len : 1);
        assert_non_null(end);
        describe((struct slice){end, len}, text);
        free(end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(nul),
        cmocka_unit_test(long_ones),
        cmocka_unit_test(anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
