/*
 * hand: the process, confined and at a wall as in a session. The test is the back and the hop.
 */
#include "../../smtpd/back/worker.h"
#include "../../smtpd/hand/hand.h"
#include "../../smtpd/wall/wall.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOP_BUFFER = 65536 };

static struct worker hand;
static int hop; /* the other server's end */
static struct wall_message message;

/* A test that waits for what does not come fails. */
static void set_patience(int fd)
{
    const struct timeval patience = {.tv_sec = 60};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
}

static void ask(enum wall_type type)
{
    message.type = type;
    assert_int_equal(wall_send(hand.wall, &message, 0), 0);
}

static void start(bool lmtp)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const int fds[] = {ends[0], ends[0], -1};
    const struct worker_task task = {.fds = fds, .fds_len = 3, .run = hand_run};
    assert_int_equal(worker_start(&hand, &task), 0);
    close(ends[0]);
    hop = ends[1];
    set_patience(hop);
    set_patience(hand.wall);
    memset(&message, 0, sizeof message);
    strcpy(message.hop.hello, "id.hop.mx.example");
    message.hop.lmtp = lmtp;
    ask(WALL_HOP);
}

static void say(const char *text)
{
    assert_int_equal(send(hop, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next bytes that the hop gets. */
static void hear(const char *due)
{
    char got[1024];
    size_t len = strlen(due);

    assert_true(len < sizeof got);
    assert_int_equal(recv(hop, got, len, MSG_WAITALL), len);
    assert_memory_equal(got, due, len);
}

/* The hop hears nothing more. An end with something unread of ours shows as a reset. */
static void hear_end(void)
{
    char byte;
    ssize_t got = recv(hop, &byte, 1, 0);

    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

static void receive(enum wall_type type)
{
    size_t len;

    assert_int_equal(wall_receive(hand.wall, &message, &len), 1);
    assert_int_equal(message.type, type);
}

static void assert_reply(enum hop_step step, enum hop_fault fault, uint32_t code)
{
    receive(WALL_HOP_REPLY);
    assert_int_equal(message.hop_reply.step, step);
    assert_int_equal(message.hop_reply.fault, fault);
    assert_int_equal(message.hop_reply.code, code);
}

/* The hand has ended by itself, after its last message, and no forbidden call has killed it. */
static void assert_ended(void)
{
    int status;
    size_t len;

    assert_int_equal(wall_receive(hand.wall, &message, &len), 0);
    assert_int_equal(waitpid(hand.pid, &status, 0), hand.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(hand.wall);
    close(hop);
    hand = WORKER_NONE;
}

static void greet(void)
{
    say("220 mx\r\n");
    hear("EHLO id.hop.mx.example\r\n");
    say("250-mx\r\n250 PIPELINING\r\n");
    receive(WALL_HOP_READY);
    assert_int_equal(message.hop_ready.extensions, HOP_PIPELINING);
}

static void ask_recipient(void)
{
    memset(&message, 0, sizeof message);
    assert_int_equal(address_parse(slice_of("s@a.example"), &message.hop_mail.sender), ADDRESS_OK);
    ask(WALL_HOP_MAIL);
    assert_int_equal(address_parse(slice_of("r@b.example"), &message.address), ADDRESS_OK);
    ask(WALL_HOP_RCPT);
    hear("MAIL FROM:<s@a.example>\r\nRCPT TO:<r@b.example>\r\n");
    say("250 ok\r\n250 ok\r\n");
    assert_reply(HOP_RCPT, HOP_SAID, 250);
}

static void begin_text(void)
{
    greet();
    ask_recipient();
    ask(WALL_HOP_DATA);
    hear("DATA\r\n");
    say("354 go\r\n");
    assert_reply(HOP_DATA, HOP_SAID, 354);
}

static void send_text(const char *text)
{
    message.type = WALL_TEXT;
    memcpy(message.text, text, strlen(text));
    assert_int_equal(wall_send(hand.wall, &message, strlen(text)), 0);
}

static void messages_and_quit(void **state)
{
    (void)state;
    start(false);
    begin_text();
    send_text("a: b\n\n.");
    send_text("c");
    ask(WALL_HOP_DOT);
    hear("a: b\r\n\r\n..c\r\n.\r\n");
    say("250 2.6.0 ok\r\n");
    assert_reply(HOP_DOT, HOP_SAID, 250);
    assert_string_equal(message.hop_reply.status, "2.6.0");
    ask(WALL_HOP_RESET);
    hear("RSET\r\n");
    say("250 ok\r\n");
    ask(WALL_HOP_MAIL);
    shutdown(hand.wall, SHUT_WR);
    hear("QUIT\r\n");
    say("221 bye\r\n");
    assert_ended();
}

static void lmtp(void **state)
{
    (void)state;
    start(true);
    say("220 mx\r\n");
    hear("LHLO id.hop.mx.example\r\n");
    close(hop);
    assert_reply(HOP_HELLO, HOP_CLOSED, 0);
    assert_ended();
}

/* The hop reads nothing: the hand takes no more from the back than it has room for. */
static void a_slow_hop_holds_up_the_back(void **state)
{
    static char got[HOP_BUFFER];
    size_t sent = 0, heard = 0;
    ssize_t more;

    (void)state;
    start(false);
    begin_text();
    message.type = WALL_TEXT;
    memset(message.text, 'x', WALL_TEXT_MAX);
    struct pollfd wall = {.fd = hand.wall, .events = POLLOUT};
    while (poll(&wall, 1, 1000) > 0) {
        assert_int_equal(wall_send(hand.wall, &message, WALL_TEXT_MAX), 0);
        sent += WALL_TEXT_MAX;
        assert_true(sent < 16 << 20);
    }
    while (heard < sent && (more = recv(hop, got, sizeof got, 0)) > 0) {
        heard += (size_t)more;
        assert_int_equal(memcmp(got, message.text, (size_t)more), 0);
    }
    assert_int_equal(heard, sent);
    ask(WALL_HOP_DOT);
    hear("\r\n.\r\n");
    say("250 ok\r\n");
    assert_reply(HOP_DOT, HOP_SAID, 250);
    shutdown(hand.wall, SHUT_WR);
    hear("QUIT\r\n");
    close(hop);
    assert_ended();
}

/* Sends text until that fails, because the hand has ended. */
static void send_until_refused(void)
{
    message.type = WALL_TEXT;
    memset(message.text, 'x', WALL_TEXT_MAX);
    while (wall_send(hand.wall, &message, WALL_TEXT_MAX) == 0)
        ;
    assert_int_equal(errno, EPIPE);
}

/* The back, which is sending, learns why nothing is taken any more. The hop never gets a dot. */
static void a_reply_in_the_text(void **state)
{
    static const struct {
        const char *said;
        enum hop_fault fault;
        uint32_t code;
    } rows[] = {
        {"552 5.3.4 too large\r\n", HOP_AHEAD, 552},
        {"421 stopping\r\n", HOP_CLOSED, 421},
        {"250 ok\r\n", HOP_AHEAD, 250},
        {"what?", HOP_MALFORMED, 0},
        {NULL, HOP_CLOSED, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(false);
        begin_text();
        send_text("a\n");
        hear("a\r\n");
        if (rows[i].said != NULL)
            say(rows[i].said);
        else
            shutdown(hop, SHUT_RDWR);
        send_until_refused();
        assert_reply(HOP_TEXT, rows[i].fault, rows[i].code);
        assert_ended();
    }
}

static void no_dot_after_an_early_reply(void **state)
{
    static char got[HOP_BUFFER];

    (void)state;
    start(false);
    begin_text();
    say("250 ok\r\n");
    message.type = WALL_HOP_DOT; /* it may be too late */
    wall_send(hand.wall, &message, 0);
    assert_reply(HOP_TEXT, HOP_AHEAD, 250);
    assert_int_equal(recv(hop, got, sizeof got, 0), 0);
    assert_ended();
}

static void the_back_is_gone(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        start(false);
        if (how == 1)
            greet();
        if (how >= 2)
            begin_text();
        if (how == 3)
            send_text("a\n");
        shutdown(hand.wall, SHUT_WR);
        hear(how == 1 ? "QUIT\r\n" : how == 3 ? "a\r\n" : "");
        if (how == 1)
            say("221 bye\r\n");
        hear_end();
        assert_ended();
    }
}

static void a_hop_in_the_pause(void **state)
{
    static const struct {
        const char *said;
        enum hop_fault fault;
        uint32_t code;
    } rows[] = {
        {"421 idle\r\n", HOP_CLOSED, 421},
        {"250 ok\r\n", HOP_AHEAD, 250},
        {"\r\n", HOP_MALFORMED, 0},
        {NULL, HOP_CLOSED, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(false);
        greet();
        if (rows[i].said != NULL)
            say(rows[i].said);
        else
            close(hop);
        assert_reply(HOP_IDLE, rows[i].fault, rows[i].code);
        assert_ended();
    }
}

/* Without WALL_HOP the hop hears nothing. */
static void not_a_beginning(void **state)
{
    (void)state;
    start(false);
    greet();
    ask(WALL_HOP_DOT);
    assert_reply(HOP_IDLE, HOP_DISORDER, 0);
    assert_ended();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_and_quit),
        cmocka_unit_test(lmtp),
        cmocka_unit_test(a_slow_hop_holds_up_the_back),
        cmocka_unit_test(a_reply_in_the_text),
        cmocka_unit_test(no_dot_after_an_early_reply),
        cmocka_unit_test(the_back_is_gone),
        cmocka_unit_test(a_hop_in_the_pause),
        cmocka_unit_test(not_a_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
