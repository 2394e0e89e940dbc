/*
 * hop_hand: a hand that an attacker controls. In place of our hand, one runs here that is honest up
 * to one message, which is then what no hand would send. Each time the back refuses it, logs it,
 * counts the hop as unavailable, and ends the hand. Honest hands deliver, which shows that the test
 * can fail.
 */
#include "../../smtpd/back/hops.h"
#include "../../smtpd/back/log.h"
#include "../../smtpd/back/wait.h"
#include "../../smtpd/base/clock.h"
#include "../../smtpd/confine/confine_worker.h"
#include "../../smtpd/hand/hand.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { HEAD = offsetof(struct wall_message, text), DEADLINE_MS = 60000, SHORT_MS = 300 };

/* What the hand does when this has been asked. */
static struct attack {
    uint32_t asked;
    enum { LIE, DIE, HANG, KILLED } how;
    uint32_t type; /* of the lie */
    size_t at;     /* these bytes go here */
    const void *bytes;
    size_t len;
    long more; /* how much longer than due the packet is */
} attack;

static char folder[32], path[64];
static int listener, log_file, errors;
static struct hops hops;
static struct spool spool;
static struct wall_message told; /* in the hand */

static void reply(enum hop_step step, uint32_t code)
{
    told.type = WALL_HOP_REPLY;
    told.hop_reply = (struct wall_hop_reply){.step = step, .code = code, .text = "said"};
    if (code != 354)
        snprintf(told.hop_reply.status, sizeof told.hop_reply.status, "%u.0.0", code / 100);
}

/* An honest answer; false: none is due. */
static bool answer(uint32_t asked)
{
    memset(&told, 0, sizeof told);
    if (asked == WALL_HOP) {
        told.type = WALL_HOP_READY;
        told.hop_ready.extensions = HOP_PIPELINING;
        strcpy(told.hop_ready.host, "smtp.example");
    } else if (asked == WALL_HOP_RCPT) {
        reply(HOP_RCPT, 250);
    } else if (asked == WALL_HOP_DATA) {
        reply(HOP_DATA, 354);
    } else if (asked == WALL_HOP_DOT) {
        reply(HOP_DOT, 250);
    } else {
        return false;
    }
    return true;
}

static void strike(void)
{
    if (attack.how == DIE)
        _exit(0);
    if (attack.how == KILLED)
        socket(AF_INET, SOCK_STREAM, 0); /* which is forbidden */
    if (attack.how == HANG)
        poll(NULL, 0, -1);
    uint32_t due = told.type;
    told.type = attack.type != 0 ? attack.type : due;
    if (attack.len > 0)
        memcpy((char *)&told + attack.at, attack.bytes, attack.len);
    size_t size = HEAD + wall_body_size(told.type < WALL_TYPES ? told.type : due);
    send(CONFINE_WALL, &told, size + (size_t)attack.more, MSG_NOSIGNAL);
    poll(NULL, 0, -1);
}

/* In place of that of smtpd/hand/. */
_Noreturn void hand_run(void *context)
{
    size_t len;

    (void)context;
    while (wall_receive(CONFINE_WALL, &told, &len) == 1) {
        uint32_t asked = told.type;
        bool due = answer(asked);
        if (attack.asked == asked)
            strike();
        if (due)
            wall_send(CONFINE_WALL, &told, 0);
    }
    _exit(0);
}

static int set_up(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)state;
    strcpy(folder, "/tmp/mailslot-test-XXXXXX");
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/hop", folder);
    strcpy(address.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    log_file = open("log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    errors = fcntl(2, F_DUPFD_CLOEXEC, 3);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 8) != 0 || log_file < 0 || errors < 0)
        return -1;
    log_open(-1, -1);
    log_session("192.0.2.1");
    spool_begin(&spool, folder);
    return spool_write(&spool, "a: b\n\nc\n", 8) != 0 || spool_finish(&spool) != 0 ? -1 : 0;
}

static int clean(void **state)
{
    char command[64];

    (void)state;
    spool_end(&spool);
    close(listener);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static const char *get_log(void)
{
    static char text[65536];
    int fd = open("log", O_RDONLY);
    ssize_t len = read(fd, text, sizeof text - 1);

    close(fd);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static void set_address(struct address *address, const char *text)
{
    assert_int_equal(address_parse(slice_of(text), address), ADDRESS_OK);
}

/* A transaction with a hop, as far as it goes. Returns what was asked last. */
static uint32_t try_hop(int64_t patience_ms, struct hop_outcome *outcome)
{
    struct wall_hop_mail mail = {0};
    struct address recipient;
    int64_t deadline = clock_ms() + patience_ms;

    hops_init(&hops, "mx.example");
    wait_begin(-1, -1);
    set_address(&mail.sender, "s@a.example");
    set_address(&recipient, "r@b.example");
    struct hop *hop = hops_get(&hops, slice_of(path), false, &mail);
    size_t number = hops_recipient(hop, &recipient, deadline, outcome);
    close(accept(listener, NULL, NULL));
    if (outcome->verdict != VERDICT_OK)
        return WALL_HOP_RCPT;
    const struct hop_message message = {.received = slice_of("Received: x\n"), .spool = &spool};
    hop_text(hop, &message, deadline, outcome);
    if (outcome->verdict != VERDICT_OK)
        return WALL_HOP_DATA;
    assert_int_equal(hop_dot(hop, deadline), 0);
    hop_results(hop, deadline);
    *outcome = hops.recipients[number].outcome;
    return WALL_HOP_DOT;
}

static uint32_t transact(int64_t patience_ms, struct hop_outcome *outcome)
{
    assert_int_equal(ftruncate(log_file, 0), 0);
    dup2(log_file, 2); /* cmocka writes there, too */
    uint32_t reached = try_hop(patience_ms, outcome);
    dup2(errors, 2);
    return reached;
}

/* After the hand has broken the rules, and the session has ended. */
static void assert_unavailable(const char *name, uint32_t asked, uint32_t reached,
                               const struct hop_outcome *outcome)
{
    uint32_t due = asked == WALL_HOP ? (uint32_t)WALL_HOP_RCPT : asked;

    if (reached != due || outcome->verdict != VERDICT_HOP_UNAVAILABLE ||
        outcome->uncertain != (asked == WALL_HOP_DOT))
        fail_msg("%s: verdict %d, after %u instead of %u", name, outcome->verdict, reached, due);
    assert_int_equal(hops.all[0].hand.pid, 0);
    hops_end(&hops);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* there is no process */
}

static void honest_hands_deliver(void **state)
{
    struct hop_outcome outcome;

    (void)state;
    attack = (struct attack){.asked = WALL_NONE};
    assert_int_equal(transact(DEADLINE_MS, &outcome), WALL_HOP_DOT);
    assert_int_equal(outcome.verdict, VERDICT_OK);
    assert_int_equal(outcome.reply.code, 250);
    hops_end(&hops);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_string_equal(get_log(), "");
}

#define POKE(asked, member, bytes, what)                                                           \
    {                                                                                              \
        {asked, LIE, 0, offsetof(struct wall_message, member), bytes, sizeof(bytes) - 1, 0},       \
            #member, what                                                                          \
    }
#define LONG_50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG_400 LONG_50 LONG_50 LONG_50 LONG_50 LONG_50 LONG_50 LONG_50 LONG_50

/* These bytes are written into an otherwise honest message. */
static void values_out_of_bounds(void **state)
{
    static const struct {
        struct attack attack;
        const char *name, *what;
    } pokes[] = {
        POKE(WALL_HOP, hop_ready.extensions, "\x20", "greeting"),
        POKE(WALL_HOP, hop_ready.extensions, "\xff\xff\xff\xff", "greeting"),
        POKE(WALL_HOP, hop_ready.verified, "\2", "greeting"),
        POKE(WALL_HOP, hop_ready.verified, "\0\0\0\x80", "greeting"),
        POKE(WALL_HOP, hop_ready.host, "a\nb", "greeting"),
        POKE(WALL_HOP, hop_ready.host, LONG_50 LONG_50 LONG_50 LONG_50 LONG_50 "123456",
             "greeting"),
        POKE(WALL_HOP, hop_ready.protocol, "\x7f", "greeting"),
        POKE(WALL_HOP, hop_ready.protocol, "0123456789abcdef", "greeting"),
        POKE(WALL_HOP, hop_ready.cipher, "\x1b[m", "greeting"),
        POKE(WALL_HOP, hop_ready.cipher, LONG_50 "12345678901234", "greeting"),
        POKE(WALL_HOP_RCPT, hop_reply.step, "\0", "reply"),   /* HOP_CONNECT */
        POKE(WALL_HOP_RCPT, hop_reply.step, "\x0a", "reply"), /* HOP_STEPS */
        POKE(WALL_HOP_RCPT, hop_reply.step, "\xff\xff\xff\xff", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.fault, "\5", "reply"), /* HOP_FAULTS */
        POKE(WALL_HOP_RCPT, hop_reply.fault, "\xff\xff\xff\xff", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.code, "\0", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.code, "\xc7", "reply"),   /* 199 */
        POKE(WALL_HOP_RCPT, hop_reply.code, "\x58\2", "reply"), /* 600 */
        POKE(WALL_HOP_RCPT, hop_reply.code, "\xff\xff\xff\xff", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "5.0.0", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "\0", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "2.0.0 x", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "2.0.\n\n", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "2.0\0", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "2.+1.0", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "2. 1.0", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "2.1000.0", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.status, "2.0.000000001", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.text, "a\r\nb", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.text, "\x01", "reply"),
        POKE(WALL_HOP_RCPT, hop_reply.text, LONG_400, "reply"),
        POKE(WALL_HOP_DATA, hop_reply.text, LONG_400 "x", "reply"),
        POKE(WALL_HOP_DOT, hop_reply.text, LONG_400, "reply"),
        POKE(WALL_HOP_DATA, hop_reply.status, "3.0.0", "reply"),
        /* what cannot be the answer to this */
        POKE(WALL_HOP_RCPT, hop_reply.step, "\6", "\"out of order\""),   /* HOP_DATA */
        POKE(WALL_HOP_RCPT, hop_reply.step, "\x08", "\"out of order\""), /* HOP_DOT */
        POKE(WALL_HOP_RCPT, hop_reply.step, "\x09", "\"out of order\""), /* HOP_IDLE */
        POKE(WALL_HOP_DATA, hop_reply.step, "\x08", "\"out of order\""),
        POKE(WALL_HOP_DOT, hop_reply.step, "\5", "\"out of order\""), /* HOP_RCPT */
        POKE(WALL_HOP_DOT, hop_reply.step, "\7", "\"out of order\""), /* HOP_TEXT */
    };

    (void)state;
    assert_int_equal(HOP_STEPS, 0x0a);
    assert_int_equal(HOP_FAULTS, 5);
    assert_int_equal(HOP_EXTENSIONS, 0x1f);
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        struct hop_outcome outcome;
        char line[128];
        attack = pokes[i].attack;
        uint32_t reached = transact(DEADLINE_MS, &outcome);
        assert_unavailable(pokes[i].name, attack.asked, reached, &outcome);
        snprintf(line, sizeof line, ": hand-breach peer=192.0.2.1 hop=%s what=%s ", path,
                 pokes[i].what);
        if (strstr(get_log(), line) == NULL)
            fail_msg("%s (%zu): %s instead of %s", pokes[i].name, i, get_log(), line);
    }
}

/* Packets of other types, and of other lengths. */
static void malformed_packets(void **state)
{
    static const uint32_t askeds[] = {WALL_HOP, WALL_HOP_RCPT, WALL_HOP_DATA, WALL_HOP_DOT};
    static const long sizes[] = {-1, 1, 8, -64};

    (void)state;
    for (size_t a = 0; a < sizeof askeds / sizeof askeds[0]; a++) {
        for (uint32_t type = 0; type <= WALL_TYPES + 1; type++) {
            bool honest = type == (askeds[a] == WALL_HOP ? WALL_HOP_READY : WALL_HOP_REPLY);
            for (size_t s = 0; s < (honest ? 4 : 1); s++) {
                struct hop_outcome outcome;
                attack = (struct attack){
                    .asked = askeds[a], .type = type, .more = honest ? sizes[s] : 0};
                if (type == 0) {
                    attack.type = UINT32_MAX;
                } else if (type == WALL_HOP_REPLY && !honest)
                    continue; /* it is a reply, but says nothing: values_out_of_bounds() */
                uint32_t reached = transact(DEADLINE_MS, &outcome);
                assert_unavailable("packet", askeds[a], reached, &outcome);
                if (strstr(get_log(), ": hand-breach ") == NULL)
                    fail_msg("type %u after %u: %s", type, askeds[a], get_log());
            }
        }
    }
}

/* It ends, is killed, or says nothing. */
static void hands_that_are_gone(void **state)
{
    static const uint32_t askeds[] = {WALL_HOP, WALL_HOP_RCPT, WALL_HOP_DATA, WALL_HOP_DOT};

    (void)state;
    for (size_t a = 0; a < sizeof askeds / sizeof askeds[0]; a++) {
        for (int how = DIE; how <= KILLED; how++) {
            struct hop_outcome outcome;
            attack = (struct attack){.asked = askeds[a], .how = how};
            uint32_t reached = transact(how == HANG ? SHORT_MS : DEADLINE_MS, &outcome);
            assert_unavailable("gone", askeds[a], reached, &outcome);
            const char *killed = strstr(get_log(), ": hand-killed peer=192.0.2.1 signal=31 ");
            assert_true((killed != NULL) == (how == KILLED));
            assert_null(strstr(get_log(), "hand-breach"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_hands_deliver),
        cmocka_unit_test(values_out_of_bounds),
        cmocka_unit_test(malformed_packets),
        cmocka_unit_test(hands_that_are_gone),
    };

    return cmocka_run_group_tests(tests, set_up, clean);
}
