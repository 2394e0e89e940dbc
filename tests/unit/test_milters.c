/*
 * milters: the process that speaks to filters, confined and at a wall as in a session. The test is
 * the back and the filters.
 */
#include "../../smtpd/back/worker.h"
#include "../../smtpd/confine/confine_worker.h"
#include "../../smtpd/hand/milters.h"
#include "../../smtpd/wall/wall.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILTERS = 3, BUFFER = 1 << 17 };

/* A packet, with its length, and a number of four bytes. */
#define PACKET(letter, data) "\0\0\0", sizeof(data), letter data
#define OFFERED "\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff"

static struct worker hand;
static int filters[FILTERS];
static struct wall_message message;

/* A test that waits for what does not come fails. */
static void set_patience(int fd)
{
    const struct timeval patience = {.tv_sec = 60};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
}

/* A hand with filters 0, 1 and 2; 3 is not there. */
static int start(void **state)
{
    int fds[CONFINE_FILTERS + FILTERS + 1] = {-1, -1, -1}, pair[2];

    (void)state;
    for (int i = 0; i < FILTERS; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            return -1;
        fds[CONFINE_FILTERS + i] = pair[0];
        filters[i] = pair[1];
        set_patience(pair[1]);
    }
    fds[CONFINE_FILTERS + FILTERS] = -1;
    const struct worker_task task = {
        .fds = fds, .fds_len = sizeof fds / sizeof fds[0], .run = milters_run};
    int result = worker_start(&hand, &task);
    for (int i = 0; i < FILTERS; i++)
        close(fds[CONFINE_FILTERS + i]);
    set_patience(hand.wall);
    return result;
}

/* The hand ends when the back does, and no forbidden call has killed it. */
static int finish(void **state)
{
    int status;

    (void)state;
    close(hand.wall);
    assert_int_equal(waitpid(hand.pid, &status, 0), hand.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    for (int i = 0; i < FILTERS; i++)
        close(filters[i]);
    hand = WORKER_NONE;
    return 0;
}

static void say(int filter, const char *bytes, size_t len)
{
    assert_int_equal(send(filters[filter], bytes, len, MSG_NOSIGNAL), len);
}

/* The next bytes that the filter gets. */
static void hear(int filter, const char *due, size_t len)
{
    char got[256];

    assert_true(len <= sizeof got);
    assert_int_equal(recv(filters[filter], got, len, MSG_WAITALL), len);
    assert_memory_equal(got, due, len);
}

#define SAY(filter, bytes) say(filter, bytes, sizeof(bytes) - 1)
#define HEAR(filter, bytes) hear(filter, bytes, sizeof(bytes) - 1)

/* Nothing more; an end with something unread of ours shows as a reset. */
static void hear_end(int filter)
{
    char byte;
    ssize_t got = recv(filters[filter], &byte, 1, 0);

    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

static void ask(uint32_t filter, enum milter_step step, const char *arguments, size_t len)
{
    memset(&message, 0, offsetof(struct wall_message, milter_event.strings));
    message.type = WALL_MILTER_EVENT;
    message.milter_event.filter = filter;
    message.milter_event.step = step;
    message.milter_event.arguments_len = (uint16_t)len;
    memcpy(message.milter_event.strings, arguments, len);
    assert_int_equal(
        wall_send(hand.wall, &message, offsetof(struct wall_milter_event, strings) + len), 0);
}

static void give(enum wall_type type, const char *text, size_t len)
{
    message.type = type;
    memcpy(message.text, text, len);
    assert_int_equal(wall_send(hand.wall, &message, len), 0);
}

static void receive(enum wall_type type, uint32_t filter)
{
    size_t len;

    assert_int_equal(wall_receive(hand.wall, &message, &len), 1);
    assert_int_equal(message.type, type);
    if (type == WALL_MILTER_REPLY)
        assert_int_equal(message.milter_reply.filter, filter);
}

static void assert_answer(uint32_t filter, enum milter_step step, enum milter_answer answer)
{
    receive(WALL_MILTER_REPLY, filter);
    assert_int_equal(message.milter_reply.fault, MILTER_SAID);
    assert_int_equal(message.milter_reply.step, step);
    assert_int_equal(message.milter_reply.answer, answer);
}

static void assert_fault(uint32_t filter, enum milter_step step, enum milter_fault fault)
{
    receive(WALL_MILTER_REPLY, filter);
    assert_int_equal(message.milter_reply.fault, fault);
    assert_int_equal(message.milter_reply.step, step);
}

/* Negotiates, without any flags, and has HELO accepted. */
static void greet(int filter)
{
    ask((uint32_t)filter, MILTER_HELO, "a", 2);
    HEAR(filter, OFFERED);
    SAY(filter, "\0\0\0\x0dO\0\0\0\x06\0\0\0\x02\0\0\0\0");
    HEAR(filter, "\0\0\0\x03Ha\0");
    SAY(filter, "\0\0\0\x01"
                "c");
    assert_answer((uint32_t)filter, MILTER_HELO, MILTER_CONTINUE);
}

static void begin_body(int filter)
{
    greet(filter);
    ask((uint32_t)filter, MILTER_DATA, "", 0);
    HEAR(filter, "\0\0\0\x01T");
    SAY(filter, "\0\0\0\x01"
                "c");
    assert_answer((uint32_t)filter, MILTER_DATA, MILTER_CONTINUE);
    give(WALL_MILTER_HEADER, "a: b\nc:\n", 8);
    HEAR(filter, "\0\0\0\x05La\0b\0");
    SAY(filter, "\0\0\0\x01"
                "c");
    HEAR(filter, "\0\0\0\x04Lc\0\0");
    SAY(filter, "\0\0\0\x01"
                "c");
    assert_answer((uint32_t)filter, MILTER_HEADER, MILTER_CONTINUE);
    ask((uint32_t)filter, MILTER_EOH, "", 0);
    HEAR(filter, "\0\0\0\x01N");
    SAY(filter, "\0\0\0\x01"
                "c");
    assert_answer((uint32_t)filter, MILTER_EOH, MILTER_CONTINUE);
}

static void a_message_and_quit(void **state)
{
    (void)state;
    begin_body(1);
    give(WALL_MILTER_BODY, "x\ny\n", 4);
    HEAR(1, "\0\0\0\x07"
            "Bx\r\ny\r\n");
    SAY(1, "\0\0\0\x01"
           "c");
    assert_answer(1, MILTER_BODY, MILTER_CONTINUE);
    ask(1, MILTER_END, "", 0);
    HEAR(1, "\0\0\0\x01"
            "E");
    SAY(1, "\0\0\0\x01p\0\0\0\x04"
           "bz\r\n\0\0\0\x01"
           "a");
    receive(WALL_MILTER_PROGRESS, 1);
    receive(WALL_MILTER_CHANGE, 1);
    assert_int_equal(message.milter_change.filter, 1);
    assert_int_equal(message.milter_change.kind, MILTER_BODY_PART);
    assert_memory_equal(message.milter_change.strings, "z\n", 2);
    assert_answer(1, MILTER_END, MILTER_ACCEPT);
    ask(1, MILTER_ABORT, "", 0);
    HEAR(1, "\0\0\0\x01"
            "A");
    greet(0);
    shutdown(hand.wall, SHUT_WR);
    HEAR(0, "\0\0\0\x01Q");
    hear_end(0);
    HEAR(1, "\0\0\0\x01Q");
    hear_end(1);
    hear_end(2); /* it was not asked anything */
}

/* Each part is converted and sent in whole packets, whatever the filter's pace. */
static void a_large_body_to_a_slow_filter(void **state)
{
    static char got[BUFFER], text[WALL_TEXT_MAX];
    size_t heard = 0;

    (void)state;
    begin_body(0);
    memset(text, '\n', sizeof text);
    give(WALL_MILTER_BODY, text, sizeof text);
    while (heard < 2 * sizeof text) {
        assert_int_equal(recv(filters[0], got, 5, MSG_WAITALL), 5);
        size_t len =
            ((size_t)(uint8_t)got[2] << 8 | (uint8_t)got[3]) - 1 + ((size_t)(uint8_t)got[1] << 16);
        assert_in_range(len, 1, 65535);
        assert_int_equal(got[4], 'B');
        assert_int_equal(recv(filters[0], got, len, MSG_WAITALL), len);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(got[i], i % 2 == 0 ? '\r' : '\n');
        heard += len;
        SAY(0, "\0\0\0\x01"
               "c");
    }
    assert_int_equal(heard, 2 * sizeof text);
    assert_answer(0, MILTER_BODY, MILTER_CONTINUE);
}

/* The others go on. */
static void a_filter_hangs_up(void **state)
{
    (void)state;
    greet(0);
    greet(1);
    ask(0, MILTER_MAIL, "<>", 3);
    HEAR(0, "\0\0\0\x04M<>\0");
    close(filters[0]);
    filters[0] = -1;
    assert_fault(0, MILTER_MAIL, MILTER_CLOSED);
    ask(0, MILTER_ABORT, "", 0);
    ask(0, MILTER_MAIL, "<>", 3);
    assert_fault(0, MILTER_IDLE, MILTER_CLOSED);
    ask(1, MILTER_MAIL, "<>", 3);
    HEAR(1, "\0\0\0\x04M<>\0");
    SAY(1, "\0\0\0\x01t");
    assert_answer(1, MILTER_MAIL, MILTER_TEMPFAIL);
    close(filters[1]); /* unasked */
    filters[1] = -1;
    ask(1, MILTER_ABORT, "", 0);
    ask(1, MILTER_MAIL, "<>", 3);
    assert_fault(1, MILTER_IDLE, MILTER_CLOSED);
}

static void a_filter_speaks_unasked(void **state)
{
    (void)state;
    greet(0);
    SAY(0, "\0\0\0\x01"
           "c");
    ask(0, MILTER_MAIL, "<>", 3);
    assert_fault(0, MILTER_IDLE, MILTER_MALFORMED);
    hear_end(0);
    SAY(2, "x"); /* before it was negotiated with */
    ask(2, MILTER_HELO, "a", 2);
    assert_fault(2, MILTER_IDLE, MILTER_MALFORMED);
}

static void a_filter_that_is_not_there(void **state)
{
    (void)state;
    ask(3, MILTER_HELO, "a", 2);
    assert_fault(3, MILTER_IDLE, MILTER_CLOSED);
    ask(7, MILTER_HELO, "a", 2);
    assert_fault(7, MILTER_IDLE, MILTER_CLOSED);
    greet(0);
}

/* While one filter hangs, the back asks another one. */
static void a_hanging_filter_is_given_up(void **state)
{
    (void)state;
    greet(0);
    ask(1, MILTER_HELO, "a", 2);
    HEAR(1, OFFERED);
    greet(2);
    hear_end(1);
    ask(1, MILTER_HELO, "a", 2);
    assert_fault(1, MILTER_IDLE, MILTER_CLOSED);
    ask(0, MILTER_MAIL, "<>", 3);
    HEAR(0, "\0\0\0\x04M<>\0");
    ask(0, MILTER_ABORT, "", 0); /* nor does it wait for the same one */
    hear_end(0);
    ask(2, MILTER_MAIL, "<>", 3);
    HEAR(2, "\0\0\0\x04M<>\0");
    SAY(2, "\0\0\0\x01"
           "c");
    assert_answer(2, MILTER_MAIL, MILTER_CONTINUE);
}

/* It takes no more, and the hand has half a packet for it. */
static void a_stuck_filter_is_given_up(void **state)
{
    static char text[WALL_TEXT_MAX];
    const int small = 4096;

    (void)state;
    assert_int_equal(setsockopt(filters[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    ask(0, MILTER_HELO, "a", 2);
    HEAR(0, OFFERED);
    SAY(0, "\0\0\0\x0dO\0\0\0\x06\0\0\0\0\0\x0d\xf0\x80"); /* it never replies */
    HEAR(0, "\0\0\0\x03Ha\0");
    assert_answer(0, MILTER_HELO, MILTER_CONTINUE);
    ask(0, MILTER_DATA, "", 0);
    assert_answer(0, MILTER_DATA, MILTER_CONTINUE);
    ask(0, MILTER_EOH, "", 0);
    assert_answer(0, MILTER_EOH, MILTER_CONTINUE);
    memset(text, 'x', sizeof text);
    struct pollfd wall = {.fd = hand.wall, .events = POLLIN};
    do {
        give(WALL_MILTER_BODY, text, sizeof text);
        if (poll(&wall, 1, 1000) == 0)
            break;
        assert_answer(0, MILTER_BODY, MILTER_CONTINUE);
    } while (true);
    greet(2);
    assert_int_equal(recv(filters[0], text, sizeof text, 0) > 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_and_quit, start, finish),
        cmocka_unit_test_setup_teardown(a_large_body_to_a_slow_filter, start, finish),
        cmocka_unit_test_setup_teardown(a_filter_hangs_up, start, finish),
        cmocka_unit_test_setup_teardown(a_filter_speaks_unasked, start, finish),
        cmocka_unit_test_setup_teardown(a_filter_that_is_not_there, start, finish),
        cmocka_unit_test_setup_teardown(a_hanging_filter_is_given_up, start, finish),
        cmocka_unit_test_setup_teardown(a_stuck_filter_is_given_up, start, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
