/*
 * milter_reply, milter_change and milter_text: what filters say in detail, and what is no reply and
 * no change. In data `|` is NUL.
 */
#include "../../smtpd/base/field.h"
#include "../../smtpd/hand/milter_change.h"
#include "../../smtpd/hand/milter_packet.h"
#include "../../smtpd/hand/milter_reply.h"
#include "../../smtpd/hand/milter_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DATA_MAX = 70000 };

static char data[DATA_MAX];

static struct slice data_of(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        data[i] = (char)(text[i] == '|' ? '\0' : text[i]);
    return (struct slice){data, len};
}

static void test_reply(void **state)
{
    static const struct {
        const char *data;
        enum milter_answer answer;
        uint32_t code;
        const char *status, *text;
    } rows[] = {
        {"550 5.7.1 Go away|", MILTER_REJECT, 550, "5.7.1", "Go away"},
        {"550 5.7.1 Go away", MILTER_REJECT, 550, "5.7.1", "Go away"},
        {"554 Go away|", MILTER_REJECT, 554, "5.7.1", "Go away"},
        {"451 4.3.2 Later", MILTER_TEMPFAIL, 451, "4.3.2", "Later"},
        {"450 Later", MILTER_TEMPFAIL, 450, "4.7.1", "Later"},
        {"421 4.3.0 Stop", MILTER_SHUTDOWN, 421, "4.3.0", "Stop"},
        {"421 Stop", MILTER_SHUTDOWN, 421, "4.7.0", "Stop"},
        {"521 5.7.1 Never", MILTER_REJECT, 521, "5.7.1", "Never"},
        {"550 ", MILTER_REJECT, 550, "5.7.1", ""},
        {"550 5.7.1", MILTER_REJECT, 550, "5.7.1", ""},
        {"550 5.7.1 100%% of %s%", MILTER_REJECT, 550, "5.7.1", "100% of s"},
        {"550 %%%%", MILTER_REJECT, 550, "5.7.1", "%%"},
        {"550-5.7.1 One\r\n550-5.7.1 Two\r\n550 5.7.1 3|", MILTER_REJECT, 550, "5.7.1",
         "One\rTwo\r3"},
        {"450-One\r\n450 4.1.2 Two", MILTER_TEMPFAIL, 450, "4.1.2", "One\rTwo"},
        {"550-5.7.1 One\r\n550 5.7.2 Two", MILTER_REJECT, 550, "5.7.1", "One\r5.7.2 Two"},
        {"550-\r\n550 x", MILTER_REJECT, 550, "5.7.1", "\rx"},
        {"550 caf\xc3\xa9 caf\xe9\tx\x1b", MILTER_REJECT, 550, "5.7.1", "caf\xc3\xa9 caf? x?"},
        {"550 5 apples", MILTER_REJECT, 550, "5.7.1", "5 apples"},
    };

    static const char *const malformed[] = {"550 4.7.1 Class",
                                            "450 5.7.1 Class",
                                            "450 2.0.0 Class",
                                            "250 2.0.0 Ok",
                                            "354 Go",
                                            "600 x",
                                            "399 x",
                                            "55 x",
                                            "x50 x",
                                            "550",
                                            "550x",
                                            "550-x",
                                            "",
                                            "|",
                                            "550 a|b",
                                            "550 a||",
                                            "550 a\r\n",
                                            "550 a\nb",
                                            "550 a\rb",
                                            "550-a\n550 b",
                                            "550-a\r\n551 b",
                                            "550 a\r\n550 b",
                                            "550-a\r\n",
                                            "550-a\r\n\r\n550 b"};
    struct wall_milter_reply reply;

    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        if (milter_reply_read(data_of(malformed[i]), &reply))
            fail_msg("accepted: %s", malformed[i]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!milter_reply_read(data_of(rows[i].data), &reply))
            fail_msg("refused: %s", rows[i].data);
        assert_int_equal(reply.answer, rows[i].answer);
        assert_int_equal(reply.code, rows[i].code);
        assert_string_equal(reply.status, rows[i].status);
        assert_string_equal(reply.text, rows[i].text);
    }
}

static void test_reply_is_bounded(void **state)
{
    struct wall_milter_reply reply;
    size_t len = 0;

    (void)state;
    memset(data, 'x', sizeof data);
    memcpy(data, "550 ", 4);
    assert_true(milter_reply_read((struct slice){data, sizeof data}, &reply));
    assert_int_equal(strlen(reply.text), MILTER_TEXT_MAX - 1);
    for (int lines = 1; lines <= MILTER_REPLY_LINES_MAX + 1; lines++) {
        bool few = lines <= MILTER_REPLY_LINES_MAX;
        memcpy(data + len, "550 x", 6);
        assert_int_equal(milter_reply_read((struct slice){data, len + 5}, &reply), few);
        memcpy(data + len, "550-x\r\n", 7);
        len += 7;
    }
}

static void test_change(void **state)
{
    static const struct {
        char letter;
        bool leading_space;
        const char *data;
        enum milter_change kind;
        uint32_t index;
        const char *strings; /* name, `|`, value */
    } rows[] = {
        {'h', false, "A|b|", MILTER_ADD_FIELD, 0, "A| b"},
        {'h', true, "A|b|", MILTER_ADD_FIELD, 0, "A|b"},
        {'h', false, "A| b|", MILTER_ADD_FIELD, 0, "A|  b"},
        {'h', false, "A||", MILTER_ADD_FIELD, 0, "A| "},
        {'h', false, "A|b\n c\n\td|", MILTER_ADD_FIELD, 0, "A| b\n c\n\td"},
        {'h', false, "A|b\r\n c\r\n\td|", MILTER_ADD_FIELD, 0, "A| b\n c\n\td"},
        {'h', false, "A|\n b|", MILTER_ADD_FIELD, 0, "A| \n b"},
        {'h', false, "A|b\xe9\xc3\xa9|", MILTER_ADD_FIELD, 0, "A| b\xe9\xc3\xa9"},
        {'h', false, "!~|b|", MILTER_ADD_FIELD, 0, "!~| b"},
        {'i', false, "\1\1\1\1A|b|", MILTER_INSERT_FIELD, 0x01010101, "A| b"},
        {'i', false, "||||A|b|", MILTER_INSERT_FIELD, 0, "A| b"},
        {'i', false,
         "\x7f\xff\xff\xff"
         "A|b|",
         MILTER_INSERT_FIELD, 0x7fffffff, "A| b"},
        {'m', false, "||||A|b|", MILTER_CHANGE_FIELD, 1, "A| b"},
        {'m', false, "|||\2A||", MILTER_CHANGE_FIELD, 2, "A|"},
        {'m', true, "|||\2A| |", MILTER_CHANGE_FIELD, 2, "A| "},
        {'+', false, "<a@b>|", MILTER_ADD_RCPT, 0, "|a@b"},
        {'+', false, " a@b |", MILTER_ADD_RCPT, 0, "|a@b"},
        {'+', false, "\"a b\"@c|", MILTER_ADD_RCPT, 0, "|\"a b\"@c"},
        {'+', false, "<a@b|", MILTER_ADD_RCPT, 0, "|<a@b"}, /* the back refuses it */
        {'+', false, "<|", MILTER_ADD_RCPT, 0, "|<"},
        {'2', false, "<a@b>|NOTIFY=NEVER|", MILTER_ADD_RCPT, 0, "|a@b"},
        {'2', false, "<a@b>|", MILTER_ADD_RCPT, 0, "|a@b"},
        {'-', false, "<a@b>|", MILTER_DELETE_RCPT, 0, "|a@b"},
        {'e', false, "<>|", MILTER_SENDER, 0, "|"},
        {'e', false, "|", MILTER_SENDER, 0, "|"},
        {'e', false, "<a@b>|RET=HDRS|", MILTER_SENDER, 0, "|a@b"},
        {'e', false, "a@b|", MILTER_SENDER, 0, "|a@b"},
        {'q', false, "why|", MILTER_QUARANTINE, 0, "|why"},
        {'q', false, "why", MILTER_QUARANTINE, 0, "|why"},
        {'q', false, "|", MILTER_QUARANTINE, 0, "|"},
        {'q', false, "caf\xe9", MILTER_QUARANTINE, 0, "|caf?"},
    };

    static const struct {
        char letter;
        const char *data;
    } malformed[] = {
        {'h', "A|b\nc|"},
        {'h', "A|b\r\nc|"},
        {'h', "A|b\n|"},
        {'h', "A|b\r\n|"},
        {'h', "A|b\n\nc|"},
        {'h', "A|b\r|"},
        {'h', "A|b\r c|"},
        {'h', "A|b\r\r\n c|"},
        {'h', "|b|"},
        {'h', "A:|b|"},
        {'h', "A B|b|"},
        {'h', "A\n|b|"},
        {'h', "\xc3\xa9|b|"},
        {'h', "A|b"},
        {'h', "A|"},
        {'h', "A"},
        {'h', ""},
        {'h', "A|b|c"},
        {'h', "A|b|c|"},
        {'i', "\x80|||"
              "A|b|"},
        {'i', "\xff\xff\xff\xff"
              "A|b|"},
        {'i', "|||"},
        {'i', "A|b|"},
        {'m', "\x80|||A|b|"},
        {'+', "|"},
        {'+', "<>|"},
        {'+', "a@b"},
        {'+', "a@b|x|"},
        {'+', "a@b\r\nX: y|"},
        {'+', "a\t@b|"},
        {'+', "a\x7f@b|"},
        {'2', "<a@b>|x"},
        {'2', "<a@b>|x|y|"},
        {'2', "<a@b>|x\n|"},
        {'2', "<>|"},
        {'-', "|"},
        {'e', "a@b"},
        {'q', "a|b|"},
        {'q', "a\nb|"},
        {'q', "a\rb|"},
    };
    static struct wall_milter_change change;
    char strings[256];
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        if (milter_change_read(malformed[i].letter, data_of(malformed[i].data), false, &change,
                               &len))
            fail_msg("accepted: %c %s", malformed[i].letter, malformed[i].data);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!milter_change_read(rows[i].letter, data_of(rows[i].data), rows[i].leading_space,
                                &change, &len))
            fail_msg("refused: %c %s", rows[i].letter, rows[i].data);
        assert_int_equal(change.kind, rows[i].kind);
        assert_int_equal(change.index, rows[i].index);
        assert_in_range(change.name_len, 0, len);
        snprintf(strings, sizeof strings, "%.*s|%.*s", (int)change.name_len, change.strings,
                 (int)(len - change.name_len), change.strings + change.name_len);
        assert_string_equal(strings, rows[i].strings);
    }
}

/* The longest of each, and one more. */
static void test_changes_are_bounded(void **state)
{
    static struct wall_milter_change change;
    size_t len;

    (void)state;
    for (size_t longer = 0; longer < 2; longer++) {
        size_t most = MILTER_CHANGE_MAX - 2 + longer; /* of the value, with a name and a space */
        memset(data, 'x', sizeof data);
        data[1] = data[2 + most] = '\0';
        assert_int_equal(
            milter_change_read('h', (struct slice){data, 3 + most}, false, &change, &len),
            longer == 0);
        data[1] = 'x';
        data[FIELD_NAME_MAX + longer] = data[FIELD_NAME_MAX + 2] = '\0';
        assert_int_equal(
            milter_change_read('h', (struct slice){data, FIELD_NAME_MAX + 3}, false, &change, &len),
            longer == 0);
        memset(data, 'x', sizeof data);
        data[ADDRESS_TEXT_MAX - 1 + longer] = '\0';
        assert_int_equal(milter_change_read('+', (struct slice){data, ADDRESS_TEXT_MAX + longer},
                                            false, &change, &len),
                         longer == 0);
    }
    memset(data, 'x', sizeof data);
    assert_true(milter_change_read('q', (struct slice){data, 60000}, false, &change, &len));
    assert_int_equal(len, MILTER_REASON_MAX);
}

static void test_fields(void **state)
{
    struct slice rest = slice_of("a: b\nc:\n d\n\te\n:\n\nf");

    (void)state;
    assert_true(slice_is(milter_text_cut_field(&rest), "a: b"));
    assert_true(slice_is(milter_text_cut_field(&rest), "c:\n d\n\te"));
    assert_true(slice_is(milter_text_cut_field(&rest), ":"));
    assert_true(slice_is(milter_text_cut_field(&rest), ""));
    assert_true(slice_is(milter_text_cut_field(&rest), "f"));
    assert_int_equal(rest.len, 0);
}

/* Whatever the room, what is written is whole, and no CRLF is torn. */
static void test_encode(void **state)
{
    static const char text[] = "\na\n\nbcd\ne", due[] = "\r\na\r\n\r\nbcd\r\ne";

    (void)state;
    for (size_t size = 2; size < sizeof due + 2; size++) {
        char got[sizeof due] = "", out[sizeof due + 2];
        struct slice rest = {text, sizeof text - 1};
        while (rest.len > 0) {
            size_t len, read = milter_text_encode(rest, out, size, &len);
            assert_in_range(read, 1, rest.len);
            assert_in_range(len, 1, size);
            assert_true(out[0] != '\n' && out[len - 1] != '\r');
            strncat(got, out, len);
            rest = slice_from(rest, read);
        }
        assert_string_equal(got, due);
    }
}

static void test_decode(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: malformed */
        bool cr;
    } rows[] = {
        {"a\r\nb\nc", "a\nb\nc", false},
        {"\r\n\r\n", "\n\n", false},
        {"a\r", "a", true},
        {"", "", false},
        {"a\rb", NULL, false},
        {"a\r\r\n", NULL, false},
        {"a|b", "a|b", false},
        {"a\r|", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char in[32], out[64];
        size_t size = strlen(rows[i].in);
        memcpy(in, data_of(rows[i].in).at, size);
        for (size_t cut = 0; cut <= size; cut++) {
            bool cr = false;
            size_t len = 0, more = 0;
            bool good =
                milter_text_decode((struct slice){in, cut}, &cr, out, &len) &&
                milter_text_decode((struct slice){in + cut, size - cut}, &cr, out + len, &more);
            assert_int_equal(good, rows[i].out != NULL);
            if (!good)
                continue;
            assert_int_equal(cr, rows[i].cr);
            assert_int_equal(len + more, strlen(rows[i].out));
            assert_memory_equal(out, data_of(rows[i].out).at, len + more);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply),  cmocka_unit_test(test_reply_is_bounded),
        cmocka_unit_test(test_change), cmocka_unit_test(test_changes_are_bounded),
        cmocka_unit_test(test_fields), cmocka_unit_test(test_encode),
        cmocka_unit_test(test_decode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
