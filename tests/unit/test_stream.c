/*
 * stream: lines wherever they are split, limits exact to the byte, deadlines, and output that is
 * sent in one write when nothing more can be read. The client is the other end of a socket pair;
 * output goes to a second one that preserves packets, so that writes can be counted.
 */
#include "../../smtpd/base/clock.h"
#include "../../smtpd/front/stream.h"

#include "../../smtpd/base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

static struct stream stream;
static int client, reader, back; /* the other ends */

static int set_up(void **state)
{
    int in[2], out[2], wall[2];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, in) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, out) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, wall) != 0)
        return -1;
    memset(&stream, 0, offsetof(struct stream, input));
    stream.wire.in = in[0];
    stream.wire.out = out[0];
    stream.wire.wall = wall[0];
    stream.wire.session_deadline = clock_ms() + 60000;
    client = in[1];
    reader = out[1];
    back = wall[1];
    return 0;
}

static int clean(void **state)
{
    (void)state;
    for (const int *fd = (const int[]){stream.wire.in, stream.wire.out, stream.wire.wall, client,
                                       reader, back, -1};
         *fd >= 0; fd++)
        close(*fd);
    return 0;
}

static void send_text(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = write(client, text, len);
        assert_true(sent > 0);
        text += sent;
        len -= (size_t)sent;
    }
}

/* Reads all available lines: `(line)` for each, or a letter for what is wrong with it. */
static void take_lines(char *to, size_t size)
{
    static const char *const letters[] = {
        [STREAM_LONG] = "L", [STREAM_BARE] = "B", [STREAM_NUL] = "N"};
    enum stream_result result;
    struct slice line;
    int unread;

    for (;;) {
        stream.wire.deadline = clock_ms() + 1;
        result = stream_line(&stream, STREAM_LINE_MAX, &line);
        if (result == STREAM_IDLE && ioctl(stream.wire.in, FIONREAD, &unread) == 0 && unread > 0)
            continue; /* this process was late, not the client */
        if (result >= STREAM_CLOSED && result <= STREAM_BACK)
            break;
        size_t used = strlen(to);
        if (result == STREAM_OK)
            snprintf(to + used, size - used, "(%.*s)", SLICE(line));
        else
            snprintf(to + used, size - used, "%s", letters[result]);
    }
    assert_int_equal(result, STREAM_IDLE);
}

static const struct {
    const char *in;
    size_t len;
    const char *lines;
} examples[] = {
    {TEXT("NOOP\r\n"), "(NOOP)"},
    {TEXT("\r\n"), "()"},
    {TEXT("\r\n\r\n"), "()()"},
    {TEXT("EHLO x\r\nMAIL FROM:<>\r\nQUIT\r\n"), "(EHLO x)(MAIL FROM:<>)(QUIT)"},
    {TEXT("\xff\t\x01\r\n"), "(\xff\t\x01)"},
    {TEXT("NO"), ""},
    {TEXT("NOOP\r\nQU"), "(NOOP)"},
    {TEXT("NOOP\r"), ""},
    /* a bare LF or CR does not end a line */
    {TEXT("NO\nOP\r\nQUIT\r\n"), "B(QUIT)"},
    {TEXT("NO\rOP\r\nQUIT\r\n"), "B(QUIT)"},
    {TEXT("NOOP\nQUIT\n"), "B"},
    {TEXT("NOOP\n\r\nQUIT\r\n"), "B(QUIT)"},
    {TEXT("NOOP\r\r\nQUIT\r\n"), "B(QUIT)"},
    {TEXT("NOOP\r\n\nRSET\r\nQUIT\r\n"), "(NOOP)B(QUIT)"},
    {TEXT("\n\r\nQUIT\r\n"), "B(QUIT)"},
    {TEXT("\r\r\nQUIT\r\n"), "B(QUIT)"},
    {TEXT("A\nB\nC\rD\n\rE\r\nQUIT\r\n"), "B(QUIT)"},
    {TEXT("NO\0OP\r\nQUIT\r\n"), "N(QUIT)"},
    {TEXT("\0\r\n\0\r\nQUIT\r\n"), "NN(QUIT)"},
};

static void lines_are_the_same_however_split(void **state)
{
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const char *in = examples[i].in;
        size_t len = examples[i].len;
        for (size_t cut = 0; cut <= len; cut++) {
            char got[256] = "";
            set_up(state);
            send_text(in, cut);
            take_lines(got, sizeof got);
            send_text(in + cut, len - cut);
            take_lines(got, sizeof got);
            clean(state);
            if (strcmp(got, examples[i].lines) != 0)
                fail_msg("line %zu cut at %zu: %s instead of %s", i, cut, got, examples[i].lines);
        }
    }
    set_up(state);
}

static void lines_come_byte_by_byte(void **state)
{
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char got[256] = "";
        set_up(state);
        for (size_t at = 0; at < examples[i].len; at++) {
            send_text(examples[i].in + at, 1);
            take_lines(got, sizeof got);
        }
        clean(state);
        assert_string_equal(got, examples[i].lines);
    }
    set_up(state);
}

/* 2,048 bytes with CR LF are a line, 2,049 are too many, wherever they are split. */
static void the_limit_is_exact(void **state)
{
    for (size_t len = STREAM_LINE_MAX - 4; len <= STREAM_LINE_MAX + 2; len++) {
        bool good = len <= STREAM_LINE_MAX;
        for (size_t cut = len < 6 ? 0 : len - 6; cut <= len; cut++) {
            char line[STREAM_LINE_MAX + 4], got[STREAM_LINE_MAX + 64] = "";
            memset(line, 'x', len);
            memcpy(line + len - 2, "\r\n", 2);
            set_up(state);
            send_text(line, cut);
            take_lines(got, sizeof got);
            send_text(line + cut, len - cut);
            take_lines(got, sizeof got);
            send_text("QUIT\r\n", 6);
            take_lines(got, sizeof got);
            clean(state);
            if (strlen(got) != (good ? len - 2 + 2 : 1) + 6)
                fail_msg("%zu bytes, cut at %zu: %.8s...", len, cut, got);
        }
    }
    set_up(state);
}

/* However long the line is, there is one result, memory is bounded, and the next line is complete.
 */
static void long_lines_are_skipped(void **state)
{
    enum { PART = 1000, PARTS = 200 };
    static const char *const fillings[] = {"x", "x\n", "x\r", "\0", "\r"};
    char got[64];

    (void)state;
    for (size_t i = 0; i < sizeof fillings / sizeof fillings[0]; i++) {
        char part[PART];
        for (size_t at = 0; at < PART; at++)
            part[at] = fillings[i][at % (strlen(fillings[i]) + (fillings[i][0] == '\0'))];
        got[0] = '\0';
        for (int n = 0; n < PARTS; n++) {
            send_text(part, PART);
            if (n % 20 == 19)
                take_lines(got, sizeof got);
        }
        assert_int_equal(strlen(got), 1);
        send_text("\r\nQUIT\r\n", 8);
        take_lines(got + 1, sizeof got - 1);
        assert_string_equal(got + 1, "(QUIT)");
    }
}

static int64_t wait_for(enum stream_result due)
{
    struct slice line;
    int64_t began = clock_ms();

    assert_int_equal(stream_line(&stream, STREAM_LINE_MAX, &line), due);
    return clock_ms() - began;
}

static void deadlines_are_kept(void **state)
{
    int64_t took;

    (void)state;
    send_text("half a li", 9);
    stream.wire.deadline = clock_ms() + 60;
    took = wait_for(STREAM_IDLE);
    assert_in_range(took, 50, 5000);
    stream.wire.deadline = clock_ms() + 10000;
    stream.wire.session_deadline = clock_ms() + 60;
    took = wait_for(STREAM_OVERTIME);
    assert_in_range(took, 50, 5000);
    assert_true(wait_for(STREAM_OVERTIME) < 1000);
    /* also for a client that always has something to send */
    send_text("ne\r\n", 4);
    wait_for(STREAM_OVERTIME);
}

static void what_has_arrived_is_read_before_the_end(void **state)
{
    (void)state;
    send_text("A\r\nB\r\nC", 7);
    close(client);
    client = dup(2);
    stream.wire.deadline = clock_ms() + 10000;
    wait_for(STREAM_OK);
    wait_for(STREAM_OK);
    wait_for(STREAM_CLOSED); /* half a line is not returned */
}

static void waiting_ends_when_the_back_is_gone(void **state)
{
    (void)state;
    stream.wire.deadline = clock_ms() + 10000;
    close(back);
    back = dup(2);
    assert_true(wait_for(STREAM_BACK) < 5000);
}

/* Reads the next write of the stream; -1 if there is none. */
static ssize_t next_write(char *to, size_t size)
{
    return recv(reader, to, size, MSG_DONTWAIT);
}

static void pipelined_commands_are_answered_in_one_write(void **state)
{
    char got[STREAM_OUTPUT_SIZE];
    struct slice line;

    (void)state;
    stream.wire.deadline = clock_ms() + 10000;
    send_text("A\r\nB\r\nC\r\n", 9);
    stream_write(&stream, "0", 1);
    for (const char *reply = "123"; *reply != '\0'; reply++) {
        assert_int_equal(stream_line(&stream, STREAM_LINE_MAX, &line), STREAM_OK);
        stream_write(&stream, reply, 1);
    }
    assert_int_equal(next_write(got, sizeof got), 1); /* the greeting, before the first read */
    assert_int_equal(got[0], '0');
    assert_int_equal(next_write(got, sizeof got), -1);
    stream.wire.deadline = clock_ms() + 1;
    wait_for(STREAM_IDLE);
    assert_int_equal(next_write(got, sizeof got), 3);
    assert_memory_equal(got, "123", 3);
    assert_int_equal(next_write(got, sizeof got), -1);
}

static void much_output_is_not_lost(void **state)
{
    enum { REPLY = 1500, REPLIES = 40 };
    char reply[REPLY], got[STREAM_OUTPUT_SIZE];
    size_t total = 0;
    ssize_t len;

    (void)state;
    for (int i = 0; i <= REPLIES; i++) {
        memset(reply, 'a' + i % 26, sizeof reply);
        if (i < REPLIES)
            stream_write(&stream, reply, sizeof reply);
        else
            stream_flush(&stream);
        while ((len = next_write(got, sizeof got)) > 0)
            for (ssize_t at = 0; at < len; at++, total++)
                assert_int_equal(got[at], 'a' + total / REPLY % 26);
    }
    assert_int_equal(total, REPLY * REPLIES);
}

static void a_client_that_reads_nothing_is_given_up(void **state)
{
    (void)state;
    close(reader);
    reader = dup(2);
    stream.wire.deadline = clock_ms() + 10000;
    stream_write(&stream, "250\r\n", 5);
    send_text("A\r\n", 3);
    wait_for(STREAM_CLOSED);
    assert_true(stream.wire.broken);
}

/* Although now and then it can be written to. */
static void a_client_that_reads_too_little_is_given_up(void **state)
{
    char reply[1500] = "";

    (void)state;
    stream.wire.patience = 50;
    int64_t began = clock_ms();
    for (int i = 0; i < 2000 && !stream.wire.broken; i++)
        stream_write(&stream, reply, sizeof reply);
    assert_true(stream.wire.broken);
    assert_in_range(clock_ms() - began, 50, 10000);
    stream.wire.deadline = clock_ms() + 10000;
    wait_for(STREAM_CLOSED);
}

static void text_is_returned_as_it_arrives(void **state)
{
    struct slice bytes;

    (void)state;
    stream.wire.deadline = clock_ms() + 10000;
    send_text("DATA\r\na\0b\rc\nQUIT\r\n", 18);
    wait_for(STREAM_OK);
    assert_int_equal(stream_peek(&stream, &bytes), STREAM_OK);
    assert_int_equal(bytes.len, 12);
    assert_memory_equal(bytes.at, "a\0b\rc\nQUIT\r\n", 12);
    stream_take(&stream, 6);
    wait_for(STREAM_OK);
    stream.wire.deadline = clock_ms() + 1;
    assert_int_equal(stream_peek(&stream, &bytes), STREAM_IDLE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lines_are_the_same_however_split, clean),
        cmocka_unit_test_teardown(lines_come_byte_by_byte, clean),
        cmocka_unit_test_teardown(the_limit_is_exact, clean),
        TEST(long_lines_are_skipped),
        TEST(deadlines_are_kept),
        TEST(what_has_arrived_is_read_before_the_end),
        TEST(waiting_ends_when_the_back_is_gone),
        TEST(pipelined_commands_are_answered_in_one_write),
        TEST(much_output_is_not_lost),
        TEST(a_client_that_reads_nothing_is_given_up),
        TEST(a_client_that_reads_too_little_is_given_up),
        TEST(text_is_returned_as_it_arrives),
    };

    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
