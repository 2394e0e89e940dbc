/*
 * session, LMTP (RFC 2033): the differences from SMTP: its greeting, and a reply for each recipient
 * of a message.
 */
#include "session_in_memory.h"

static int set_up(void **state)
{
    (void)state;
    settings = (struct wall_settings){
        .session.hostname = "mx.example.org",
        .lmtp = true,
        .greet = true,
        .session.max_message_size = 1000,
        .session.max_recipients = 1000000,
        .session.max_errors = 2,
        .session.max_idle = 1000000,
    };
    begin_session();
    return 0;
}

static void say(const char *line, const char *due)
{
    struct wall_message answer = {.type = WALL_VERDICT};

    send_line(line);
    if (step.wait && message.type == WALL_MAIL)
        answer.verdict.code =
            message.mail.size > settings.session.max_message_size ? VERDICT_TOO_LARGE : VERDICT_OK;
    else if (step.wait && memcmp(message.address.local, "no", 2) == 0)
        answer.verdict.code = VERDICT_UNKNOWN;
    else if (step.wait && session.transaction.recipients == WALL_RESULTS_MAX)
        answer.verdict.code = VERDICT_TOO_MANY;
    if (step.wait)
        session_answer(&session, &answer, &step);
    assert_reply(due);
}

static void begin_message(int recipients)
{
    say("LHLO client.example", "250-mx.example.org\r\n");
    say("MAIL FROM:<>", "250");
    for (int i = 0; i < recipients; i++)
        say("RCPT TO:<user@example.org>", "250");
    say("DATA", "354");
    assert_true(step.read == STEP_READ_TEXT);
}

static void deliver(const struct wall_result *result)
{
    const struct wall_message answer = {.type = WALL_RESULT, .result = *result};

    session_text_end(&session, VERDICT_OK, &step);
    assert_true(step.send && step.wait && !step.more);
    assert_int_equal(message.type, WALL_COMMIT);
    session_answer(&session, &answer, &step);
    assert_int_equal(session.state, SESSION_READY);
}

/* This reply comes next, and perhaps another one follows without a further event. */
static void assert_next(const char *due, bool more)
{
    assert_reply(due);
    assert_int_equal(step.more, more);
    assert_false(step.wait || step.read != STEP_READ_NOTHING);
    if (more) {
        session_more(&session, &step);
        assert_false(step.send);
    }
}

static void greetings(void **state)
{
    (void)state;
    assert_reply("220 mx.example.org LMTP ");
    settings.session.max_errors = 100;
    say("MAIL FROM:<>", "503 5.5.1 Send LHLO first");
    say("RCPT TO:<user@example.org>", "503 5.5.1 Send LHLO first");
    say("DATA", "503 5.5.1 Send LHLO first");
    say("HELO client.example", "500 5.5.1 ");
    say("EHLO client.example", "500 5.5.1 ");
    say("MAIL FROM:<>", "503 5.5.1 Send LHLO first");
    say("LHLO", "501 5.5.4 ");
    say("LHLO client.example", "250-mx.example.org\r\n250-SIZE 1000\r\n250-PIPELINING\r\n");
    say("MAIL FROM:<>", "250 2.1.0 ");
    assert_int_equal(message.mail.extended, 1);
    say("EHLO client.example", "500 5.5.1 ");
    say("RCPT TO:<user@example.org>", "250 2.1.5 ");
    say("LHLO client.example", "250-");
    say("DATA", "503 5.5.1 ");
}

static void smtp_has_no_lhlo(void **state)
{
    (void)state;
    settings.lmtp = false;
    begin_session();
    assert_reply("220 mx.example.org ESMTP ");
    say("LHLO client.example", "502 5.5.1 ");
    say("MAIL FROM:<>", "503 5.5.1 Send HELO or EHLO first");
}

static void no_recipient_is_503(void **state)
{
    (void)state;
    say("LHLO client.example", "250-");
    say("MAIL FROM:<>", "250");
    say("RCPT TO:<nobody@example.org>", "550");
    say("DATA", "503 5.5.1 ");
    assert_true(step.read == STEP_READ_NOTHING);
}

static void each_recipient_has_its_reply(void **state)
{
    (void)state;
    begin_message(4);
    deliver(&(struct wall_result){
        .id = "id", .count = 4, .codes = {VERDICT_OK, VERDICT_LOCKED, UINT8_MAX, VERDICT_OK}});
    assert_next("250 2.0.0 Delivered, id id\r\n", true);
    assert_next("451 4.2.0 ", true);
    assert_next("451 4.3.0 ", true);
    assert_next("250 2.0.0 Delivered, id id\r\n", false);
    begin_message(1);
    deliver(&(struct wall_result){.id = "id", .count = 1, .codes = {VERDICT_LOOP}});
    assert_next("554 5.4.6 ", false);
}

static void faults_are_reported_for_each(void **state)
{
    (void)state;
    begin_message(3);
    session_text_end(&session, VERDICT_BARE_NEWLINE, &step);
    assert_true(step.send);
    assert_int_equal(message.type, WALL_ABANDON);
    assert_int_equal(session.state, SESSION_READY);
    assert_next("550 5.5.2 ", true);
    assert_next("550 5.5.2 ", true);
    assert_next("550 5.5.2 ", false);
}

/* As many as there is room for. */
static void recipients_are_limited(void **state)
{
    static struct wall_result result = {.id = "id", .count = WALL_RESULTS_MAX};

    (void)state;
    begin_message(WALL_RESULTS_MAX);
    say("RCPT TO:<user@example.org>", "452 4.5.3 ");
    say("DATA", "354");
    assert_int_equal(session.transaction.recipients, WALL_RESULTS_MAX);
    result.codes[WALL_RESULTS_MAX - 1] = VERDICT_OVER_QUOTA;
    deliver(&result);
    for (int i = 1; i < WALL_RESULTS_MAX; i++)
        assert_next("250 2.0.0 ", true);
    assert_next("452 4.2.2 ", false);
}

static void a_wrong_count_closes(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 4; count++) {
        set_up(NULL);
        begin_message(2);
        deliver(&(struct wall_result){.count = count});
        assert_reply(count == 2 ? "250" : "421 4.3.0 ");
        assert_int_equal(step.close, count != 2);
    }
}

/* Refused mail is not the client's fault, because others have sent it; wrong commands are. */
static void refused_mail_is_not_an_error(void **state)
{
    const struct wall_result result = {.count = 3, .codes = {VERDICT_LOOP, VERDICT_LOOP}};

    (void)state;
    for (int i = 0; i < 10; i++) {
        begin_message(3);
        deliver(&result);
        assert_next("554 5.4.6 ", true);
        assert_next("554 5.4.6 ", true);
        assert_next("250 2.0.0 ", false);
        begin_message(1);
        session_text_end(&session, VERDICT_HOPS, &step);
        assert_next("554 5.4.6 ", false);
        say("MAIL FROM:<> SIZE=99999999", "552");
        say("MAIL FROM:<>", "250");
        say("RCPT TO:<nobody@example.org>", "550 5.1.1 ");
        say("RCPT TO:<a b@example.org>", "501 5.1.3 ");
        say("DATA", "503");
        say("RSET", "250");
    }
    for (uint64_t i = 0; i < settings.session.max_errors; i++)
        say("NONSENSE", "500");
    say("NONSENSE", "421 4.7.0 ");
    assert_true(step.close);
    assert_int_equal(step.end, END_ERRORS);
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(greetings),
        TEST(smtp_has_no_lhlo),
        TEST(no_recipient_is_503),
        TEST(each_recipient_has_its_reply),
        TEST(faults_are_reported_for_each),
        TEST(recipients_are_limited),
        TEST(a_wrong_count_closes),
        TEST(refused_mail_is_not_an_error),
    };

    return cmocka_run_group_tests_name("session_lmtp", tests, NULL, NULL);
}
