/*
 * quote: mboxrd quoting and unquoting, exhaustively for short messages and at random for longer
 * ones, however they are split.
 */
#include "../../smtpd/mailbox/quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IN_MAX = 512, OUT_MAX = 2 * IN_MAX, CANARY = 0x5a };

/* Quotes one part, and asserts that the result fits into QUOTE_SIZE(). */
static size_t quote_part(struct quote *quote, const char *in, size_t len, char *out)
{
    char part[QUOTE_SIZE(IN_MAX) + 1];
    size_t room = QUOTE_SIZE(len);

    part[room] = CANARY;
    size_t made = quote_feed(quote, in, len, part);
    assert_true(made <= room);
    assert_int_equal(part[room], CANARY);
    memcpy(out, part, made);
    return made;
}

static size_t quote_cut(const char *in, size_t len, size_t a, size_t b, char *out)
{
    struct quote quote = {0};
    size_t made = quote_part(&quote, in, a, out);

    made += quote_part(&quote, in + a, b - a, out + made);
    made += quote_part(&quote, in + b, len - b, out + made);
    size_t end = quote_end(&quote, out + made);
    assert_true(end <= 6);
    return made + end;
}

static size_t quote_bytes(const char *in, size_t len, char *out)
{
    struct quote quote = {0};
    size_t made = 0;

    for (size_t i = 0; i < len; i++)
        made += quote_part(&quote, in + i, 1, out + made);
    return made + quote_end(&quote, out + made);
}

static bool is_from(const char *line, const char *end)
{
    return end - line >= 5 && memcmp(line, "From ", 5) == 0;
}

/* What a reader of mboxrd does. It must not find the start of another message. */
static size_t unquote(const char *in, size_t len, char *out)
{
    const char *end = in + len;
    size_t made = 0;

    while (in < end) {
        const char *newline = memchr(in, '\n', (size_t)(end - in)), *arrows = in;
        assert_non_null(newline);
        assert_false(is_from(in, end));
        while (*arrows == '>')
            arrows++;
        if (arrows > in && is_from(arrows, end))
            in++;
        memcpy(out + made, in, (size_t)(newline + 1 - in));
        made += (size_t)(newline + 1 - in);
        in = newline + 1;
    }
    return made;
}

static void check(const char *in, size_t len, const char *quoted, size_t quoted_len,
                  const char *how)
{
    char due[IN_MAX + 1], got[OUT_MAX];
    size_t due_len = len;

    memcpy(due, in, len);
    if (len > 0 && in[len - 1] != '\n')
        due[due_len++] = '\n';
    size_t got_len = unquote(quoted, quoted_len, got);
    if (got_len != due_len || memcmp(got, due, due_len) != 0)
        fail_msg("%s: '%.*s' became '%.*s'", how, (int)len, in, (int)quoted_len, quoted);
}

static void check_cuts(const char *in, size_t len)
{
    char whole[OUT_MAX], cut[OUT_MAX];
    size_t whole_len = quote_cut(in, len, 0, 0, whole);

    check(in, len, whole, whole_len, "whole");
    size_t cut_len = quote_bytes(in, len, cut);
    check(in, len, cut, cut_len, "byte by byte");
    assert_int_equal(cut_len, whole_len);
    for (size_t a = 0; a <= len; a++) {
        cut_len = quote_cut(in, len, a, len, cut);
        check(in, len, cut, cut_len, "cut");
        assert_int_equal(cut_len, whole_len);
    }
}

static const struct {
    const char *in, *out;
} examples[] = {
    {"", ""},
    {"\n", "\n"},
    {"a", "a\n"},
    {"a\n", "a\n"},
    {"From ", ">From \n"},
    {"From a\n", ">From a\n"},
    {"From\n", "From\n"},
    {"From", "From\n"},
    {"Fro", "Fro\n"},
    {"Fron m\n", "Fron m\n"},
    {"FFrom a\n", "FFrom a\n"},
    {"from a\nFROM b\n", "from a\nFROM b\n"},
    {" From a\n", " From a\n"},
    {">From a\n>>From b\n", ">>From a\n>>>From b\n"},
    {"> From a\n>x>From b\n", "> From a\n>x>From b\n"},
    {"a From b\nFrom c\n\nFrom d\n", "a From b\n>From c\n\n>From d\n"},
    {">\n>>\n", ">\n>>\n"},
    {">", ">\n"},
    {"a\n>>", "a\n>>\n"},
};

static void examples_are_quoted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char out[OUT_MAX];
        size_t in_len = strlen(examples[i].in);
        size_t len = quote_cut(examples[i].in, in_len, in_len, in_len, out);
        if (len != strlen(examples[i].out) || memcmp(out, examples[i].out, len) != 0)
            fail_msg("'%s' became '%.*s'", examples[i].in, (int)len, out);
    }
}

/* In three pieces. */
static void splitting_in_three_makes_no_difference(void **state)
{
    static const char in[] = "From \n>From \nFrom\nFrom a\nb>From ";

    (void)state;
    for (size_t a = 0; a < sizeof in; a++) {
        for (size_t b = a; b < sizeof in; b++) {
            char out[OUT_MAX];
            check(in, sizeof in - 1, out, quote_cut(in, sizeof in - 1, a, b, out), "cut twice");
        }
    }
}

static void all_short_messages_are_unquoted_again(void **state)
{
    static const char *const pieces[] = {"From ", "Fro", "m ", "F", ">", "\n", "x"};
    enum { LONGEST = 6, PIECES = sizeof pieces / sizeof pieces[0] };

    (void)state;
    for (size_t length = 0, count = 1; length <= LONGEST; length++, count *= PIECES) {
        for (size_t number = 0; number < count; number++) {
            char in[64] = "", out[OUT_MAX];
            for (size_t i = 0, rest = number; i < length; i++, rest /= PIECES)
                strcat(in, pieces[rest % PIECES]);
            size_t len = strlen(in);
            if (length < LONGEST) {
                check_cuts(in, len);
            } else {
                check(in, len, out, quote_cut(in, len, 0, 0, out), "whole");
                check(in, len, out, quote_bytes(in, len, out), "byte by byte");
            }
        }
    }
}

static void random_messages_are_unquoted_again(void **state)
{
    static const char letters[] = "FFrom  >>\n\nx\0\r\xff";

    (void)state;
    srandom(1);
    for (int i = 0; i < 3000; i++) {
        char in[IN_MAX], out[OUT_MAX];
        size_t len = (size_t)random() % 200, made = 0;
        struct quote quote = {0};
        for (size_t at = 0; at < len; at++)
            in[at] = letters[(size_t)random() % (sizeof letters - 1)];
        for (size_t at = 0; at + 6 < len; at += 6 + (size_t)random() % 9)
            memcpy(in + at, random() % 2 ? "\nFrom " : ">From ", 6);
        for (size_t at = 0, part; at < len; at += part) {
            part = 1 + (size_t)random() % (len - at);
            made += quote_part(&quote, in + at, part, out + made);
        }
        made += quote_end(&quote, out + made);
        check(in, len, out, made, "at random");
    }
}

/* The worst case of QUOTE_SIZE(): only lines to quote, after some bytes that were held back. */
static void the_worst_case_fits(void **state)
{
    (void)state;
    for (size_t held = 0; held <= 5; held++) {
        for (size_t len = 0; len < 200; len++) {
            char in[IN_MAX], out[OUT_MAX];
            struct quote quote = {0};
            for (size_t i = 0; i < sizeof in; i++)
                in[i] = "From \n"[i % 6];
            size_t made = quote_part(&quote, in, held, out);
            made += quote_part(&quote, in + held, len, out + made);
            assert_true(made <= held + len + (held + len) / 6 + 6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_are_quoted),
        cmocka_unit_test(splitting_in_three_makes_no_difference),
        cmocka_unit_test(all_short_messages_are_unquoted_again),
        cmocka_unit_test(random_messages_are_unquoted_again),
        cmocka_unit_test(the_worst_case_fits),
    };

    return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
