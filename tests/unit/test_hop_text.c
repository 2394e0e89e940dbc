/*
 * hop_text: a text as it is sent, wherever its pieces are cut, and however little room there is.
 * What front/data.h makes of it again must be the text, with its last line ended.
 */
#include "../../smtpd/front/data.h"
#include "../../smtpd/hand/hop_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SENT_MAX = 1024, SMALLEST_ROOM = 3 };

static char sent[SENT_MAX];
static size_t sent_len;

static void feed(struct hop_text *text, struct slice in, size_t room)
{
    while (in.len > 0) {
        size_t made = SIZE_MAX, read = hop_text_feed(text, in, sent + sent_len, room, &made);
        assert_true(read <= in.len && made <= room && read > 0);
        assert_true(read == in.len || room - made <= 2);
        in = slice_from(in, read);
        sent_len += made;
    }
}

/* Sends it in two pieces, with so much room at a time. */
static void send_text(struct slice in, size_t cut, size_t room)
{
    struct hop_text text;

    memset(&text, 0xff, sizeof text);
    hop_text_begin(&text);
    sent_len = 0;
    feed(&text, (struct slice){in.at, cut}, room);
    feed(&text, slice_from(in, cut), room);
    sent_len += hop_text_end(&text, sent + sent_len);
}

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static void examples_in_every_cut(void **state)
{
    static const struct {
        struct slice in, out;
    } rows[] = {
        {BYTES(""), BYTES(".\r\n")},
        {BYTES("a\n"), BYTES("a\r\n.\r\n")},
        {BYTES("a"), BYTES("a\r\n.\r\n")},
        {BYTES("\n"), BYTES("\r\n.\r\n")},
        {BYTES("\n\n"), BYTES("\r\n\r\n.\r\n")},
        {BYTES("."), BYTES("..\r\n.\r\n")},
        {BYTES(".\n"), BYTES("..\r\n.\r\n")},
        {BYTES("..\n.a\na.\n a\n"), BYTES("...\r\n..a\r\na.\r\n a\r\n.\r\n")},
        {BYTES("a\n.\nMAIL FROM:<>\n"), BYTES("a\r\n..\r\nMAIL FROM:<>\r\n.\r\n")},
        {BYTES("\0\x80\xff\n.\0\n"), BYTES("\0\x80\xff\r\n..\0\r\n.\r\n")},
        /* CR never gets out alone, and hides no dot */
        {BYTES("a\r\n.\r\nb\r\n"), BYTES("a\r\n..\r\nb\r\n.\r\n")},
        {BYTES("a\r.\r\n"), BYTES("a.\r\n.\r\n")},
        {BYTES("\r.\n"), BYTES("..\r\n.\r\n")},
        {BYTES("a\n\r.\r\r\n"), BYTES("a\r\n..\r\n.\r\n")},
        {BYTES("\r\r"), BYTES(".\r\n")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t cut = 0; cut <= rows[i].in.len; cut++) {
            for (size_t room = SMALLEST_ROOM; room < 40; room++) {
                send_text(rows[i].in, cut, room);
                if (!slice_equal((struct slice){sent, sent_len}, rows[i].out))
                    fail_msg("'%.*s' cut at %zu, room %zu: '%.*s'", SLICE(rows[i].in), cut, room,
                             (int)sent_len, sent);
            }
        }
    }
}

static void assert_reads_back(const char *in, size_t len)
{
    static char back[SENT_MAX + 1];
    struct data data;
    size_t made;

    data_begin(&data, false, DATA_REJECT, SENT_MAX, SENT_MAX);
    assert_int_equal(data_feed(&data, sent, sent_len, back, &made), sent_len);
    assert_int_equal(data.state, DATA_COMPLETE);
    assert_int_equal(data.fault, VERDICT_OK);
    bool open = len > 0 && in[len - 1] != '\n';
    assert_int_equal(made, len + open);
    assert_memory_equal(back, in, len);
    assert_true(!open || back[len] == '\n');
}

/* All sequences of the bytes that matter. */
static void reads_back(void **state)
{
    enum { LEN_MAX = 7 };
    static const char bytes[] = "\n.a";
    char in[LEN_MAX];

    (void)state;
    for (size_t len = 0; len <= LEN_MAX; len++) {
        size_t count = 1;
        for (size_t i = 0; i < len; i++)
            count *= 3;
        for (size_t n = 0; n < count; n++) {
            for (size_t i = 0, rest = n; i < len; i++, rest /= 3)
                in[i] = bytes[rest % 3];
            send_text((struct slice){in, len}, n % (len + 1), SMALLEST_ROOM + n % 5);
            assert_reads_back(in, len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_in_every_cut),
        cmocka_unit_test(reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
