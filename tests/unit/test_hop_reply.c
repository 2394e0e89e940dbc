/*
 * hop_reply: replies of every shape, fed in one piece, byte by byte, and in two pieces cut at every
 * byte.
 */
#include "../../smtpd/base/utf8.h"
#include "../../smtpd/hand/hop_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define NOT_ONE HOP_REPLY_MALFORMED

enum { LONG_MAX_LINES = HOP_REPLY_LINES_MAX + 2 };

struct parsed {
    enum hop_reply_result result;
    struct hop_reply reply;
    size_t used;
};

static void feed(struct parsed *parsed, struct slice bytes)
{
    bool done = parsed->result == HOP_REPLY_WHOLE || parsed->result == HOP_REPLY_MALFORMED;

    while (bytes.len > 0 && !done) {
        size_t used = hop_reply_feed(&parsed->reply, bytes, &parsed->result);
        assert_in_range(used, 1, bytes.len);
        parsed->used += used;
        bytes = slice_from(bytes, used);
        done = parsed->result == HOP_REPLY_WHOLE || parsed->result == HOP_REPLY_MALFORMED;
        assert_true(done || hop_reply_begun(&parsed->reply));
    }
}

static void begin(struct parsed *parsed)
{
    memset(parsed, 0xff, sizeof *parsed);
    hop_reply_begin(&parsed->reply);
    assert_false(hop_reply_begun(&parsed->reply));
    parsed->result = HOP_REPLY_PART;
    parsed->used = 0;
}

static struct parsed parse(struct slice bytes, size_t cut)
{
    static struct parsed parsed;

    begin(&parsed);
    feed(&parsed, (struct slice){bytes.at, cut});
    feed(&parsed, slice_from(bytes, cut));
    return parsed;
}

static struct parsed parse_bytes(struct slice bytes)
{
    static struct parsed parsed;

    begin(&parsed);
    for (size_t i = 0; i < bytes.len; i++)
        feed(&parsed, (struct slice){bytes.at + i, 1});
    return parsed;
}

/* One line, printable, of whole characters. */
static void assert_printable(const char *text)
{
    size_t len = strlen(text);
    uint32_t c;

    assert_true(len < HOP_TEXT_MAX);
    for (size_t at = 0, size; at < len; at += size) {
        size = utf8_decode(text + at, len - at, &c);
        assert_true(size > 0 && c >= ' ' && c != 0x7f && !(c >= 0x80 && c < 0xa0));
    }
}

static const struct row {
    struct slice bytes;
    enum hop_reply_result result;
    uint16_t code;
    const char *status, *text;
    size_t unread;
} rows[] = {
    {BYTES("250 ok\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "ok", 0},
    {BYTES("250 ok\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "ok", 0},
    {BYTES("250\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "", 0},
    {BYTES("250\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "", 0},
    {BYTES("250 \r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "", 0},
    {BYTES("354 go\r\n"), HOP_REPLY_WHOLE, 354, "", "go", 0},
    {BYTES("451 later\r\n"), HOP_REPLY_WHOLE, 451, "4.0.0", "later", 0},
    {BYTES("550 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "no", 0},
    {BYTES("599 no\r\n"), HOP_REPLY_WHOLE, 599, "5.0.0", "no", 0},
    {BYTES("250 ok\r\n250 "), HOP_REPLY_WHOLE, 250, "2.0.0", "ok", 4},
    {BYTES("250 ok"), HOP_REPLY_PART, 0, "", "", 0},
    {BYTES("250 ok\r"), HOP_REPLY_PART, 0, "", "", 0},
    /* lines */
    {BYTES("250-a\r\n250 b\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "a b", 0},
    {BYTES("250-a\n250-\r\n250-  b  \r\n250\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "a   b", 0},
    {BYTES("250-\r\n250 b\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "b", 0},
    {BYTES("250-a\r\n"), HOP_REPLY_LINE, 250, "", "a", 0},
    {BYTES("250-a\r\n250-b"), HOP_REPLY_PART, 250, "", "a", 0},
    {BYTES("250-a\r\n251 b\r\n"), NOT_ONE, 0, "", "251 b", 0},
    {BYTES("250-a\r\n550 b\r\n"), NOT_ONE, 0, "", "550 b", 0},
    {BYTES("250-a\r\nb\r\n"), NOT_ONE, 0, "", "b", 2},
    {BYTES("250-a\r\n\r\n"), NOT_ONE, 0, "", "", 1},
    /* enhanced status codes */
    {BYTES("550 5.1.1 no\r\n"), HOP_REPLY_WHOLE, 550, "5.1.1", "no", 0},
    {BYTES("550 5.1.1\r\n"), HOP_REPLY_WHOLE, 550, "5.1.1", "", 0},
    {BYTES("550 5.999.100 no\r\n"), HOP_REPLY_WHOLE, 550, "5.999.100", "no", 0},
    {BYTES("250 2.0.0\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "", 0},
    {BYTES("550-5.1.1 no\r\n550 5.1.1 user\r\n"), HOP_REPLY_WHOLE, 550, "5.1.1", "no user", 0},
    {BYTES("550-5.1.1 no\r\n550 user\r\n"), HOP_REPLY_WHOLE, 550, "5.1.1", "no user", 0},
    {BYTES("550-no\r\n550 5.1.1 user\r\n"), HOP_REPLY_WHOLE, 550, "5.1.1", "no user", 0},
    {BYTES("550-5.1.1 a\r\n550 5.7.1 b\r\n"), HOP_REPLY_WHOLE, 550, "5.1.1", "a 5.7.1 b", 0},
    {BYTES("550 4.1.1 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "4.1.1 no", 0},
    {BYTES("450 5.1.1 no\r\n"), HOP_REPLY_WHOLE, 450, "4.0.0", "5.1.1 no", 0},
    {BYTES("354 3.0.0 go\r\n"), HOP_REPLY_WHOLE, 354, "", "3.0.0 go", 0},
    {BYTES("550 5.1 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "5.1 no", 0},
    {BYTES("550 5.1.\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "5.1.", 0},
    {BYTES("550 5..1 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "5..1 no", 0},
    {BYTES("550 5.1.1.1 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "5.1.1.1 no", 0},
    {BYTES("550 5.1.1x no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "5.1.1x no", 0},
    {BYTES("550 5.1000.1 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "5.1000.1 no", 0},
    {BYTES("550 5.1.1000 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "5.1.1000 no", 0},
    {BYTES("550 5.01.1 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "5.01.1 no", 0},
    {BYTES("550 55.1.1 no\r\n"), HOP_REPLY_WHOLE, 550, "5.0.0", "55.1.1 no", 0},
    /* what is not printable */
    {BYTES("250 a\tb\x01"
           "c\x7f"
           "d\0e\x1b[m\r\n"),
     HOP_REPLY_WHOLE, 250, "2.0.0", "a b?c?d?e?[m", 0},
    {BYTES("250 a\rb\r\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "a?b", 0},
    {BYTES("250 \xc3\xbc \xe2\x82\xac \xf0\x9f\x93\xac\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0",
     "\xc3\xbc \xe2\x82\xac \xf0\x9f\x93\xac", 0},
    {BYTES("250 \xfc \xc3\r\n"), HOP_REPLY_WHOLE, 250, "2.0.0", "? ?", 0},
    {BYTES("250 \xc2\x85"
           "a\xed\xa0\x80\xc0\x8a\r\n"),
     HOP_REPLY_WHOLE, 250, "2.0.0", "?a?????", 0},
    {BYTES("250\x01ok\r\n"), NOT_ONE, 0, "", "250?", 4},
    /* not replies; that shows before the line ends */
    {BYTES("HTTP/1.1 400 Bad Request\r\n"), NOT_ONE, 0, "", "H", 25},
    {BYTES("\x15\x03\x01"), NOT_ONE, 0, "", "?", 2},
    {BYTES("\r\n"), NOT_ONE, 0, "", "", 1},
    {BYTES("\n"), NOT_ONE, 0, "", "", 0},
    {BYTES("2\r\n"), NOT_ONE, 0, "", "2", 1},
    {BYTES("25\n"), NOT_ONE, 0, "", "25", 0},
    {BYTES("25a ok\r\n"), NOT_ONE, 0, "", "25a", 5},
    {BYTES("150 ok\r\n"), NOT_ONE, 0, "", "1", 7},
    {BYTES("650 ok\r\n"), NOT_ONE, 0, "", "6", 7},
    {BYTES("050 ok\r\n"), NOT_ONE, 0, "", "0", 7},
    {BYTES("2500 ok\r\n"), NOT_ONE, 0, "", "2500", 5},
    {BYTES("250\tok\r\n"), NOT_ONE, 0, "", "250", 4},
    {BYTES("250\0ok\r\n"), NOT_ONE, 0, "", "250?", 4},
    {BYTES("250_ok\r\n"), NOT_ONE, 0, "", "250_", 4},
    {BYTES(" 250 ok\r\n"), NOT_ONE, 0, "", "", 8},
    {BYTES("250\rok\r\n"), NOT_ONE, 0, "", "250", 3},
};

/* How much of a malformed line is read depends on where it is cut, but not the result. */
static void assert_parsed(const struct row *row, const struct parsed *parsed, const char *how,
                          size_t cut)
{
    bool malformed = row->result == HOP_REPLY_MALFORMED, bytewise = cut == 0;

    if (parsed->result != row->result || parsed->reply.code != row->code ||
        strcmp(parsed->reply.status, row->status) != 0 ||
        (strcmp(parsed->reply.text, row->text) != 0 && (bytewise || !malformed)))
        fail_msg("'%.*s' %s, cut at %zu: %d, %u '%s' '%s'", SLICE(row->bytes), how, cut,
                 parsed->result, parsed->reply.code, parsed->reply.status, parsed->reply.text);
    if (bytewise || !malformed)
        assert_int_equal(row->bytes.len - parsed->used, row->unread);
    assert_printable(parsed->reply.text);
}

static void every_shape_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parsed parsed = parse_bytes(rows[i].bytes);
        assert_parsed(&rows[i], &parsed, "byte by byte", 0);
        for (size_t cut = 1; cut <= rows[i].bytes.len; cut++) {
            parsed = parse(rows[i].bytes, cut);
            assert_parsed(&rows[i], &parsed, "in two", cut);
        }
    }
}

/* A line of so many bytes, its end included. */
static struct slice long_line(size_t len, bool ended)
{
    static char line[HOP_REPLY_LINE_MAX + 2];

    memset(line, 'x', sizeof line);
    memcpy(line, "250 ", 4);
    if (ended)
        memcpy(line + len - 2, "\r\n", 2);
    return (struct slice){line, len};
}

static void endless_lines(void **state)
{
    static const struct {
        size_t len;
        bool ended;
        enum hop_reply_result result;
    } lines[] = {
        {HOP_REPLY_LINE_MAX, true, HOP_REPLY_WHOLE},
        {HOP_REPLY_LINE_MAX - 1, false, HOP_REPLY_PART},
        {HOP_REPLY_LINE_MAX, false, NOT_ONE},
        {HOP_REPLY_LINE_MAX + 1, true, NOT_ONE},
        {HOP_REPLY_LINE_KEPT, true, HOP_REPLY_WHOLE},
        {HOP_REPLY_LINE_KEPT + 1, true, HOP_REPLY_WHOLE},
        {HOP_REPLY_LINE_KEPT + 2, true, HOP_REPLY_WHOLE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct slice line = long_line(lines[i].len, lines[i].ended);
        for (size_t cut = 1; cut <= line.len; cut += cut % 7 + 1) {
            struct parsed parsed = parse(line, cut);
            assert_int_equal(parsed.result, lines[i].result);
            if (parsed.result != HOP_REPLY_PART)
                assert_int_equal(
                    strspn(parsed.reply.text + (parsed.result == NOT_ONE ? 4 : 0), "x"),
                    HOP_TEXT_MAX - 1 - (parsed.result == NOT_ONE ? 4 : 0));
        }
    }
}

static void endless_replies(void **state)
{
    static const char *const parts[] = {"250-x\r\n", "250-\n", "250-2.0.0 \xc3\xbc\xc3\xbc\r\n"};

    (void)state;
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        for (int lines = HOP_REPLY_LINES_MAX - 2; lines <= HOP_REPLY_LINES_MAX; lines++) {
            struct parsed parsed;
            begin(&parsed);
            for (int i = 0; i < lines; i++)
                feed(&parsed, slice_of(parts[p]));
            assert_int_equal(parsed.result, HOP_REPLY_LINE);
            feed(&parsed, slice_of("250 y\r\n"));
            assert_int_equal(parsed.result,
                             lines < HOP_REPLY_LINES_MAX ? HOP_REPLY_WHOLE : NOT_ONE);
            assert_printable(parsed.reply.text);
        }
    }
}

/* The text is cut off where a character would not fit, and nothing is added after that. */
static void long_texts(void **state)
{
    static const char *const characters[] = {"x", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x93\xac"};

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            struct parsed parsed;
            char line[512] = "250-....";
            line[4 + shift] = '\0';
            for (size_t i = 0; i < 99; i++)
                strcat(line, characters[c]);
            strcat(line, "\r\n");
            begin(&parsed);
            for (int i = 0; i < 5; i++)
                feed(&parsed, slice_of(line));
            feed(&parsed, slice_of("250 z\r\n"));
            assert_int_equal(parsed.result, HOP_REPLY_WHOLE);
            assert_printable(parsed.reply.text);
            assert_in_range(strlen(parsed.reply.text), HOP_TEXT_MAX - 4, HOP_TEXT_MAX - 1);
            assert_null(strchr(parsed.reply.text, 'z'));
        }
    }
}

/* What the caller sees of a line: all that follows the code. */
static void lines_of_a_reply(void **state)
{
    struct hop_reply reply;
    enum hop_reply_result result;

    (void)state;
    hop_reply_begin(&reply);
    hop_reply_feed(&reply, slice_of("250-SIZE 5 \r\n"), &result);
    assert_true(slice_is(hop_reply_line(&reply), "SIZE 5"));
    hop_reply_feed(&reply, slice_of("250-\r\n"), &result);
    assert_int_equal(hop_reply_line(&reply).len, 0);
    hop_reply_feed(&reply, slice_of("250\n"), &result);
    assert_int_equal(hop_reply_line(&reply).len, 0);
    assert_int_equal(result, HOP_REPLY_WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_in_every_cut), cmocka_unit_test(endless_lines),
        cmocka_unit_test(endless_replies),          cmocka_unit_test(long_texts),
        cmocka_unit_test(lines_of_a_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
