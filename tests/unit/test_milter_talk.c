/*
 * milter_talk: a hand of filters that an attacker controls. In place of our hand, one runs here
 * that is honest up to one message, which is then what no hand would send. Each time the back
 * refuses it, logs it, counts the filter as failed, and ends the hand. Honest hands bring a message
 * through, which shows that the test can fail.
 */
#include "../../smtpd/back/log.h"
#include "../../smtpd/back/milters.h"
#include "../../smtpd/back/wait.h"
#include "../../smtpd/base/clock.h"
#include "../../smtpd/base/field.h"
#include "../../smtpd/confine/confine_worker.h"
#include "../../smtpd/hand/milters.h"
#include "../../smtpd/mailbox/draft.h"

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

enum { HEAD = offsetof(struct wall_message, text) };

/* What the hand does when filter 0 is asked at this step. */
static struct attack {
    enum milter_step asked;
    enum { LIE, DIE, HANG, KILLED } how;
    uint32_t type; /* of the lie; 0: a reply */
    size_t at;     /* these bytes go here */
    const void *bytes;
    size_t len;
    long more;                               /* how much longer than due the packet is */
    const struct wall_milter_reply *reply;   /* instead of CONTINUE */
    const struct wall_milter_change *change; /* before the reply, so long: */
    size_t change_len;
    bool late; /* filter 0 is given up, and what it says comes before the answer of filter 1 */
} attack;

static char folder[32], paths[2][64];
static int listeners[2], log_file, errors;
static struct settings settings;
static struct milters milters;
static struct delivery delivery;
static struct secured tls;
static struct draft draft;
static struct wall_message told; /* in the hand */
static size_t changes;
static const char *change_error;

/* ---- the hand ----------------------------------------------------------------------------------
 */

static enum milter_step step_of(const struct wall_message *asked)
{
    if (asked->type == WALL_MILTER_HEADER)
        return MILTER_HEADER;
    return asked->type == WALL_MILTER_BODY ? MILTER_BODY : asked->milter_event.step;
}

static void send_change(void)
{
    static struct wall_message message = {.type = WALL_MILTER_CHANGE};

    memcpy(&message.milter_change, attack.change, attack.change_len);
    send(CONFINE_WALL, &message, HEAD + attack.change_len, MSG_NOSIGNAL);
}

static void reply(uint32_t filter, enum milter_step step)
{
    told.type = WALL_MILTER_REPLY;
    memset(&told.milter_reply, 0, sizeof told.milter_reply);
    if (attack.reply != NULL && filter == 0 && step == attack.asked)
        told.milter_reply = *attack.reply;
    told.milter_reply.filter = filter;
    told.milter_reply.step = step;
}

static void strike(void)
{
    if (attack.how == DIE)
        _exit(0);
    if (attack.how == KILLED)
        socket(AF_INET, SOCK_STREAM, 0); /* which is forbidden */
    if (attack.how == HANG)
        poll(NULL, 0, -1);
    if (attack.change != NULL)
        send_change();
    told.type = attack.type != 0 ? attack.type : told.type;
    memcpy((char *)&told + attack.at, attack.bytes == NULL ? "" : attack.bytes, attack.len);
    size_t size = HEAD + wall_body_size(told.type < WALL_TYPES ? told.type : WALL_MILTER_REPLY);
    send(CONFINE_WALL, &told, size + (size_t)attack.more, MSG_NOSIGNAL);
}

/* In place of that of smtpd/hand/. */
_Noreturn void milters_run(void *context)
{
    size_t len;
    uint32_t filter = 0;

    (void)context;
    while (wall_receive(CONFINE_WALL, &told, &len) == 1) {
        enum milter_step step = step_of(&told);
        filter = told.type == WALL_MILTER_EVENT ? told.milter_event.filter : filter;
        if (step == MILTER_ABORT)
            continue;
        if (attack.late && filter == 0 && step == attack.asked)
            continue;
        if (attack.late && filter == 1 && step == attack.asked) {
            reply(0, step);
            strike();
        }
        reply(filter, step);
        if (filter == 0 && step == attack.asked)
            strike();
        else
            wall_send(CONFINE_WALL, &told, 0);
    }
    _exit(0);
}

/* ---- the back ----------------------------------------------------------------------------------
 */

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 8) == 0 ? fd
                                                                                            : -1;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/mailslot-test-XXXXXX");
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/filter%d", folder, i);
        listeners[i] = listen_at(paths[i]);
    }
    log_file = open("log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    errors = fcntl(2, F_DUPFD_CLOEXEC, 3);
    log_open(-1, -1);
    log_session("192.0.2.1");
    draft_init(&draft);
    draft_begin(&draft, folder, 1000);
    draft.len = (size_t)sprintf(draft.header, "Subject: a\nTo: b\n c\n");
    draft.body = DRAFT_RECEIVED;
    return log_file < 0 || errors < 0 || spool_write(&draft.received, "body\n", 5) != 0 ||
                   spool_finish(&draft.received) != 0
               ? -1
               : 0;
}

static int clean(void **state)
{
    char command[64];

    (void)state;
    draft_drop(&draft);
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

static const char *change(void *context, const struct milter_edit *edit)
{
    (void)context;
    (void)edit;
    changes++;
    return change_error;
}

static void prepare(size_t filters)
{
    settings_default(&settings);
    settings.milters_len = filters;
    for (size_t i = 0; i < filters; i++)
        settings.milters[i] = slice_of(paths[i]);
    delivery.settings = &settings;
    delivery.client =
        (struct delivery_client){.peer = "192.0.2.1", .tls = &tls, .user = slice_of("")};
    delivery.mail = (struct wall_mail){.helo_len = 6, .helo = "client"};
    delivery.discarded_by = NULL;
    strcpy(delivery.id, "id");
    milters_init(&milters, &settings, ROLE_MX);
    wait_begin(-1, -1);
}

static void forget_connections(void)
{
    for (size_t i = 0; i < settings.milters_len; i++)
        close(accept(listeners[i], NULL, NULL));
}

static enum verdict try_filters(int64_t deadline)
{
    const struct milter_client client = {.role = ROLE_MX, .hostname = "mx.example"};
    const struct milter_changes to = {change, NULL};
    const struct address recipient = {1, 1, "r", "d"};

    enum verdict verdict = milters_mail(&milters, &client, &delivery);
    forget_connections();
    if (verdict == VERDICT_OK)
        verdict = milters_recipient(&milters, &recipient, VERDICT_USER);
    verdict = verdict == VERDICT_USER ? VERDICT_OK : verdict;
    for (size_t i = 0; i < milters_count(&milters) && verdict == VERDICT_OK; i++)
        verdict = milters_message(&milters, i, &draft, deadline, &to);
    return verdict;
}

/* A transaction, as far as it goes. */
static enum verdict transact(void)
{
    assert_int_equal(ftruncate(log_file, 0), 0);
    changes = 0;
    log_session("192.0.2.1"); /* which logs only a few of a kind */
    dup2(log_file, 2);        /* cmocka writes there, too */
    enum verdict verdict = try_filters(clock_ms() + (int64_t)settings.milter_timeout * 1000);
    dup2(errors, 2);
    return verdict;
}

static void end(void)
{
    milters_abort(&milters);
    milters_end(&milters);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* there is no process */
}

static void assert_unavailable(const char *name, enum verdict verdict)
{
    if (verdict != VERDICT_MILTER_UNAVAILABLE || !milters.outcome.failed ||
        milters.outcome.reply.step != attack.asked)
        fail_msg("%s: verdict %d at %u instead of %u", name, verdict, milters.outcome.reply.step,
                 attack.asked);
    assert_int_equal(milters.hand.pid, 0);
    assert_non_null(strstr(get_log(), ": filter unavailable peer=192.0.2.1 filter="));
    end();
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void honest_hands_bring_messages_through(void **state)
{
    (void)state;
    attack = (struct attack){.asked = MILTER_STEPS};
    prepare(2);
    assert_int_equal(transact(), VERDICT_OK);
    assert_false(milters.outcome.failed);
    assert_int_equal(milters.outcome.reply.step, MILTER_END);
    end();
    assert_string_equal(get_log(), "");
}

/* One that may have used up its processor time is replaced, between two messages. */
static void a_hand_that_has_worked_for_long_is_replaced(void **state)
{
    (void)state;
    attack = (struct attack){.asked = MILTER_STEPS};
    prepare(2);
    assert_int_equal(transact(), VERDICT_OK);
    milters_abort(&milters);
    pid_t first = milters.hand.pid;
    milters.waited_ms = MILTERS_HAND_MS;
    assert_int_equal(transact(), VERDICT_OK);
    assert_int_equal(milters.hand.pid, first);
    milters_abort(&milters);
    milters.waited_ms = MILTERS_HAND_MS + 1;
    assert_int_equal(transact(), VERDICT_OK);
    assert_int_not_equal(milters.hand.pid, first);
    assert_true(milters.waited_ms < MILTERS_HAND_MS);
    assert_string_equal(get_log(), "");
    end();
}

/* A session without MAIL, and one without filters, have no hand. */
static void nobody_is_asked_without_need(void **state)
{
    const struct milter_client client = {.role = ROLE_MX, .hostname = "mx.example"};

    (void)state;
    prepare(2);
    assert_int_equal(milters.hand.pid, 0);
    end();
    prepare(0);
    assert_int_equal(milters_mail(&milters, &client, &delivery), VERDICT_OK);
    assert_int_equal(milters.hand.pid, 0);
    end();
}

#define POKE(at_step, member, poked, breach)                                                       \
    {                                                                                              \
        {.asked = at_step,                                                                         \
         .at = offsetof(struct wall_message, milter_reply.member),                                 \
         .bytes = poked,                                                                           \
         .len = sizeof(poked) - 1},                                                                \
            #member, breach                                                                        \
    }

/* These bytes are written into an otherwise honest reply. */
static void values_out_of_bounds(void **state)
{
    static const struct {
        struct attack attack;
        const char *name, *what;
    } pokes[] = {
        POKE(MILTER_CONNECT, filter, "\1", "reply"),
        POKE(MILTER_MAIL, filter, "\xff\xff\xff\xff", "reply"),
        POKE(MILTER_MAIL, step, "\0", "reply"),   /* MILTER_SOCKET */
        POKE(MILTER_MAIL, step, "\x0d", "reply"), /* MILTER_STEPS */
        POKE(MILTER_MAIL, step, "\xff\xff\xff\xff", "reply"),
        POKE(MILTER_MAIL, fault, "\6", "reply"), /* MILTER_FAULTS */
        POKE(MILTER_MAIL, fault, "\xff\xff\xff\xff", "reply"),
        POKE(MILTER_MAIL, answer, "\6", "reply"), /* MILTER_ANSWERS */
        POKE(MILTER_END, answer, "\xff\xff\xff\xff", "reply"),
        POKE(MILTER_MAIL, code, "\xfa", "reply"), /* 250: continue has none */
        POKE(MILTER_MAIL, status, "5.7.1", "reply"),
        POKE(MILTER_MAIL, text, "a", "reply"),
        POKE(MILTER_RCPT, step, "\6", "\"out of order\""), /* a later one */
        POKE(MILTER_RCPT, step, "\1", "\"out of order\""),
        POKE(MILTER_HEADER, step, "\x08", "\"out of order\""),
        POKE(MILTER_BODY, step, "\x0a", "\"out of order\""),
        POKE(MILTER_END, step, "\x0c", "\"out of order\""), /* MILTER_IDLE */
    };

    (void)state;
    assert_int_equal(MILTER_STEPS, 0x0d);
    assert_int_equal(MILTER_FAULTS, 6);
    assert_int_equal(MILTER_ANSWERS, 6);
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        char line[128];
        attack = pokes[i].attack;
        prepare(1);
        assert_unavailable(pokes[i].name, transact());
        snprintf(line, sizeof line, ": hand-breach peer=192.0.2.1 filter=%s what=%s ", paths[0],
                 pokes[i].what);
        if (strstr(get_log(), line) == NULL)
            fail_msg("%s (%zu): %s instead of %s", pokes[i].name, i, get_log(), line);
    }
}

/* Replies of their own must fit the answer. */
static void replies_that_do_not_fit(void **state)
{
    static const struct {
        struct wall_milter_reply reply;
        enum verdict verdict;
    } examples[] = {
        {{.answer = MILTER_REJECT}, VERDICT_MILTER_REFUSED},
        {{.answer = MILTER_REJECT, .code = 554, .status = "5.7.1", .text = "a\rb\r"},
         VERDICT_MILTER_REFUSED},
        {{.answer = MILTER_REJECT, .code = 554, .status = "5.7.1"}, VERDICT_MILTER_REFUSED},
        {{.answer = MILTER_TEMPFAIL, .code = 451, .status = "4.7.1", .text = "a"},
         VERDICT_MILTER_DEFERRED},
        {{.answer = MILTER_TEMPFAIL, .code = 421, .status = "4.7.1", .text = "a"},
         VERDICT_MILTER_CLOSING},
        {{.answer = MILTER_SHUTDOWN}, VERDICT_MILTER_CLOSING},
        {{.answer = MILTER_SHUTDOWN, .code = 421, .status = "4.7.0"}, VERDICT_MILTER_CLOSING},
        /* these do not */
        {{.answer = MILTER_REJECT, .code = 451, .status = "4.7.1"}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_REJECT, .code = 250, .status = "2.0.0"}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_REJECT, .code = 600, .status = "6.0.0"}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_REJECT, .code = 550, .status = "4.7.1"}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_REJECT, .code = 550}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_REJECT, .code = 550, .status = "5.7.1 "}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_REJECT, .code = 550, .status = "5.7.1", .text = "a\nb"},
         VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_REJECT, .code = 550, .status = "5.7.1", .text = "\x7f"},
         VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_REJECT, .text = "a"}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_TEMPFAIL, .code = 550, .status = "5.7.1"}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_SHUTDOWN, .code = 451, .status = "4.7.1"}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_ACCEPT, .code = 550, .status = "5.7.1"}, VERDICT_MILTER_UNAVAILABLE},
        {{.answer = MILTER_DISCARD, .code = 250, .status = "2.0.0"}, VERDICT_MILTER_UNAVAILABLE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        attack = (struct attack){.asked = MILTER_RCPT, .reply = &examples[i].reply};
        prepare(1);
        enum verdict verdict = transact();
        if (verdict != examples[i].verdict)
            fail_msg("example %zu: %d instead of %d", i, verdict, examples[i].verdict);
        bool breach = verdict == VERDICT_MILTER_UNAVAILABLE;
        assert_true((strstr(get_log(), ": hand-breach ") != NULL) == breach);
        end();
    }
}

/* A status or a text that does not end. */
static void replies_that_do_not_end(void **state)
{
    static struct wall_milter_reply reply;

    (void)state;
    attack = (struct attack){.asked = MILTER_MAIL, .reply = &reply};
    for (int i = 0; i < 2; i++) {
        reply = (struct wall_milter_reply){
            .answer = MILTER_REJECT, .code = 550, .status = "5.7.1", .text = "a"};
        if (i == 0)
            memset(reply.status, '1', sizeof reply.status);
        else
            memset(reply.text, 'a', sizeof reply.text);
        prepare(1);
        assert_unavailable("endless", transact());
        assert_non_null(strstr(get_log(), " what=reply "));
    }
}

/* Packets of other types, and of other lengths. */
static void malformed_packets(void **state)
{
    static const enum milter_step askeds[] = {MILTER_CONNECT, MILTER_RCPT, MILTER_HEADER,
                                              MILTER_END};
    static const long sizes[] = {-1, 1, 8, -64};

    (void)state;
    for (size_t a = 0; a < sizeof askeds / sizeof askeds[0]; a++) {
        for (uint32_t type = 0; type <= WALL_TYPES + 1; type++) {
            bool honest = type == WALL_MILTER_REPLY;
            if (type == WALL_MILTER_PROGRESS)
                continue;
            for (size_t s = 0; s < (honest ? 4 : 1); s++) {
                attack = (struct attack){.asked = askeds[a],
                                         .type = type == 0 ? UINT32_MAX : type,
                                         .more = honest ? sizes[s] : 0};
                prepare(1);
                assert_unavailable("packet", transact());
                if (strstr(get_log(), ": hand-breach ") == NULL)
                    fail_msg("type %u at %u: %s", type, askeds[a], get_log());
            }
        }
    }
}

/* It ends, is killed, or says nothing. */
static void hands_that_are_gone(void **state)
{
    static const enum milter_step askeds[] = {MILTER_CONNECT, MILTER_MAIL, MILTER_BODY, MILTER_END};

    (void)state;
    for (size_t a = 0; a < sizeof askeds / sizeof askeds[0]; a++) {
        for (int how = DIE; how <= KILLED; how++) {
            if (how == HANG)
                continue; /* hangs() */
            attack = (struct attack){.asked = askeds[a], .how = how};
            prepare(1);
            assert_unavailable("gone", transact());
            assert_true((strstr(get_log(), ": hand-killed peer=192.0.2.1 signal=31 ") != NULL) ==
                        (how == KILLED));
            assert_null(strstr(get_log(), "hand-breach"));
        }
    }
}

/* A change, as it is at the wall. */
static size_t make_change(struct wall_milter_change *to, uint32_t kind, uint32_t index,
                          struct slice name, struct slice value)
{
    *to = (struct wall_milter_change){.kind = kind, .index = index, .name_len = (uint32_t)name.len};
    memcpy(to->strings, name.at, name.len);
    memcpy(to->strings + name.len, value.at, value.len);
    return offsetof(struct wall_milter_change, strings) + name.len + value.len;
}

#define S(text) ((struct slice){text, sizeof(text) - 1})

static void changes_are_checked(void **state)
{
    static struct wall_milter_change wanted;
    static char long_name[FIELD_NAME_MAX + 1];
    memset(long_name, 'a', sizeof long_name);
    const struct {
        uint32_t kind, index;
        struct slice name, value;
        bool good;
    } examples[] = {
        {MILTER_ADD_FIELD, 0, S("X-Spam"), S(" yes\n\tand more"), true},
        {MILTER_ADD_FIELD, 0, S("X-Spam"), S(""), true},
        {MILTER_ADD_FIELD, 0, {long_name, FIELD_NAME_MAX}, S(""), true},
        {MILTER_INSERT_FIELD, 4000000000, S("X"), S("\xc3\xa4"), true},
        {MILTER_CHANGE_FIELD, 1, S("Subject"), S(""), true},
        {MILTER_BODY_PART, 0, S(""), S("a\nb\n\0"), true},
        {MILTER_BODY_PART, 0, S(""), S(""), true},
        {MILTER_ADD_RCPT, 0, S(""), S("a@b.example"), true},
        {MILTER_DELETE_RCPT, 0, S(""), S("a@b.example"), true},
        {MILTER_SENDER, 0, S(""), S(""), true},
        {MILTER_QUARANTINE, 0, S(""), S("a reason"), true},
        /* these are not what a hand sends */
        {MILTER_CHANGES, 0, S(""), S("a"), false},
        {UINT32_MAX, 0, S(""), S("a"), false},
        {MILTER_ADD_FIELD, 0, S(""), S("a"), false},
        {MILTER_ADD_FIELD, 0, S("X Y"), S("a"), false},
        {MILTER_ADD_FIELD, 0, S("X:"), S("a"), false},
        {MILTER_ADD_FIELD, 0, S("X\n"), S("a"), false},
        {MILTER_ADD_FIELD, 0, S("X\0"), S("a"), false},
        {MILTER_ADD_FIELD, 0, S("\xc3\xa4"), S("a"), false},
        {MILTER_ADD_FIELD, 0, {long_name, FIELD_NAME_MAX + 1}, S("a"), false},
        {MILTER_ADD_FIELD, 1, S("X"), S("a"), false},
        {MILTER_ADD_FIELD, 0, S("X"), S("a\nBcc: b"), false},
        {MILTER_ADD_FIELD, 0, S("X"), S("a\n"), false},
        {MILTER_INSERT_FIELD, 0, S("X"), S("a\n\n b"), false},
        {MILTER_INSERT_FIELD, 0, S("X"), S("a\r\n b"), false},
        {MILTER_CHANGE_FIELD, 0, S("X"), S("a\0b"), false},
        {MILTER_BODY_PART, 0, S(""), S("a\r\n"), false},
        {MILTER_BODY_PART, 0, S("X"), S("a\n"), false},
        {MILTER_BODY_PART, 1, S(""), S("a\n"), false},
        {MILTER_ADD_RCPT, 0, S(""), S("a@b.example\n"), false},
        {MILTER_DELETE_RCPT, 0, S(""), S("a\0@b.example"), false},
        {MILTER_SENDER, 0, S("X"), S("a@b.example"), false},
        {MILTER_SENDER, 0, S(""), S("\r"), false},
        {MILTER_QUARANTINE, 0, S(""), S("a\nb"), false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        size_t len = make_change(&wanted, examples[i].kind, examples[i].index, examples[i].name,
                                 examples[i].value);
        attack = (struct attack){.asked = MILTER_END, .change = &wanted, .change_len = len};
        prepare(1);
        enum verdict verdict = transact();
        if (verdict != (examples[i].good ? VERDICT_OK : VERDICT_MILTER_UNAVAILABLE) ||
            changes != examples[i].good)
            fail_msg("change %zu: verdict %d, %zu changes", i, verdict, changes);
        if (!examples[i].good)
            assert_unavailable("change", verdict);
        end();
    }
}

/* Of another filter, longer than it is, too short, or before the end. */
static void changes_out_of_order(void **state)
{
    static struct wall_milter_change wanted;
    size_t len = make_change(&wanted, MILTER_SENDER, 0, S(""), S("a"));

    (void)state;
    for (int i = 0; i < 4; i++) {
        attack = (struct attack){.asked = i == 0 ? MILTER_RCPT : MILTER_END,
                                 .change = &wanted,
                                 .change_len = i == 3 ? 8 : len};
        wanted.filter = i == 1;
        wanted.name_len = i == 2 ? 2 : 0;
        prepare(1);
        assert_unavailable("order", transact());
        assert_non_null(strstr(get_log(), " what=change "));
        assert_int_equal(changes, 0);
    }
}

/* What cannot be done is the filter's fault, and no breach: the hand stays. */
static void changes_that_cannot_be_made(void **state)
{
    static struct wall_milter_change wanted;
    size_t len = make_change(&wanted, MILTER_SENDER, 0, S(""), S("a"));

    (void)state;
    attack = (struct attack){.asked = MILTER_END, .change = &wanted, .change_len = len};
    change_error = "not an address";
    for (int accepts = 0; accepts < 2; accepts++) {
        prepare(2);
        settings.milter_failure_accepts = accepts;
        assert_int_equal(transact(), accepts ? VERDICT_OK : VERDICT_MILTER_UNAVAILABLE);
        assert_int_equal(milters.all[0].state, FILTER_FAILED);
        assert_non_null(strstr(get_log(), accepts ? " error=\"not an address\" do=accept"
                                                  : " error=\"not an address\" do=defer"));
        assert_null(strstr(get_log(), "hand-breach"));
        end();
    }
    change_error = NULL;
}

/* A filter that does not answer in time is not asked again in this session. The others are; what it
 * says later does not matter. */
static void hangs(void **state)
{
    static struct wall_milter_change wanted;
    size_t len = make_change(&wanted, MILTER_SENDER, 0, S(""), S("a"));

    (void)state;
    attack =
        (struct attack){.asked = MILTER_MAIL, .late = true, .change = &wanted, .change_len = len};
    for (int accepts = 0; accepts < 2; accepts++) {
        prepare(2);
        settings.milter_timeout = 1;
        settings.milter_failure_accepts = accepts;
        assert_int_equal(transact(), accepts ? VERDICT_OK : VERDICT_MILTER_UNAVAILABLE);
        assert_int_equal(milters.all[0].state, FILTER_TOO_SLOW);
        assert_non_null(strstr(get_log(), " step=MAIL error=\"no reply in time\" do="));
        assert_null(strstr(get_log(), "hand-breach"));
        assert_true(milters.waited_ms >= 1000);
        milters_abort(&milters);
        int64_t begun = clock_ms();
        assert_int_equal(transact(), accepts ? VERDICT_OK : VERDICT_MILTER_UNAVAILABLE);
        assert_true(clock_ms() - begun < 900);
        assert_string_equal(get_log(), "");
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_hands_bring_messages_through),
        cmocka_unit_test(a_hand_that_has_worked_for_long_is_replaced),
        cmocka_unit_test(nobody_is_asked_without_need),
        cmocka_unit_test(values_out_of_bounds),
        cmocka_unit_test(replies_that_do_not_fit),
        cmocka_unit_test(replies_that_do_not_end),
        cmocka_unit_test(malformed_packets),
        cmocka_unit_test(hands_that_are_gone),
        cmocka_unit_test(changes_are_checked),
        cmocka_unit_test(changes_out_of_order),
        cmocka_unit_test(changes_that_cannot_be_made),
        cmocka_unit_test(hangs),
    };

    return cmocka_run_group_tests(tests, set_up, clean);
}
