/*
 * wall_lmtp: a front in the role lmtp: the back gives a result for each recipient, as many as there
 * is room for, and never more.
 */
#include "wall_peer.h"

static void begin_lmtp(void)
{
    role = ROLE_LMTP;
    begin();
    assert_true(message.settings.lmtp);
    assert_false(message.settings.auth || message.settings.starttls);
}

static void add_recipients(const char *const *names)
{
    for (; *names != NULL; names++)
        assert_int_equal(ask(WALL_RECIPIENT, *names), VERDICT_OK);
}

/* Commits, and stores the results in message. */
static void commit(uint32_t recipients)
{
    say("T");
    make(WALL_COMMIT);
    send_message();
    assert_int_not_equal(answer(WALL_RESULT), -1);
    assert_int_equal(message.result.count, recipients);
    for (size_t i = recipients; i < WALL_RESULTS_MAX; i++)
        assert_int_equal(message.result.codes[i], 0);
    assert_int_equal(strlen(message.result.id), 16);
}

static int count(const char *path)
{
    int found = 0;

    for (const char *at = get(path); (at = strstr(at, "\nx\n\n")) != NULL; at++)
        found++;
    return found;
}

static void smtp_has_one_result(void **state)
{
    (void)state;
    begin();
    assert_false(message.settings.lmtp);
    say("M");
    add_recipients((const char *const[]){"alice", "bob", "alice", NULL});
    commit(1);
    hang_up();
    assert_no_breach("SMTP", "\"front gone\" messages=1");
}

static void each_recipient_has_its_result(void **state)
{
    (void)state;
    assert_int_equal(mkdir("mail/example.org/bob", 0700), 0);
    begin_lmtp();
    say("M");
    add_recipients((const char *const[]){"alice", "bob", "alice", NULL});
    commit(3);
    assert_int_equal(message.result.codes[0], VERDICT_OK);
    assert_int_equal(message.result.codes[1], VERDICT_MAILBOX);
    assert_int_equal(message.result.codes[2], VERDICT_OK);
    assert_int_equal(count("mail/example.org/alice"), 1);
    say("M");
    add_recipients((const char *const[]){"bob", NULL});
    commit(1);
    assert_int_equal(message.result.codes[0], VERDICT_MAILBOX);
    say("M");
    add_recipients((const char *const[]){"carol", NULL});
    commit(1);
    assert_int_equal(message.result.codes[0], VERDICT_OK);
    assert_int_equal(count("mail/example.org/carol"), 1);
    hang_up();
    assert_no_breach("LMTP", "\"front gone\" messages=2");
}

/* The trace names the protocol of the role, whatever the front claims about the greeting. */
static void the_front_cannot_claim_smtp(void **state)
{
    (void)state;
    begin_lmtp();
    make(WALL_MAIL);
    message.mail.extended = 0;
    send_message();
    assert_int_equal(answer(WALL_VERDICT), VERDICT_OK);
    add_recipients((const char *const[]){"alice", NULL});
    commit(1);
    assert_non_null(strstr(get("mail/example.org/alice"), " with LMTP id "));
    hang_up();
    assert_no_breach("HELO", "\"front gone\" messages=1");
}

/* Whatever max-recipients is. */
static void recipients_are_limited_by_the_room_for_results(void **state)
{
    (void)state;
    more_settings = "max-recipients=10000\n";
    make_database("yes");
    begin_lmtp();
    for (int twice = 1; twice <= 2; twice++) {
        say("M");
        for (int i = 0; i < WALL_RESULTS_MAX + 10; i++)
            assert_int_equal(ask(WALL_RECIPIENT, "alice"),
                             i < WALL_RESULTS_MAX ? VERDICT_OK : VERDICT_TOO_MANY);
        commit(WALL_RESULTS_MAX);
        for (int i = 0; i < WALL_RESULTS_MAX; i++)
            assert_int_equal(message.result.codes[i], VERDICT_OK);
        assert_int_equal(count("mail/example.org/alice"), twice);
    }
    hang_up();
    assert_int_equal(end(), 0); /* the log is too long to check */
}

static void too_much_text(void **state)
{
    (void)state;
    begin_lmtp();
    say("M");
    add_recipients((const char *const[]){"alice", "bob", NULL});
    make(WALL_TEXT);
    memset(message.text, 'x', WALL_TEXT_MAX);
    assert_int_equal(wall_send(wall, &message, WALL_TEXT_MAX), 0);
    commit(2);
    assert_int_equal(message.result.codes[0], VERDICT_TOO_LARGE);
    assert_int_equal(message.result.codes[1], VERDICT_TOO_LARGE);
    hang_up();
    assert_no_breach("too much text", "\"too large\"");
    assert_unchanged();
}

/* A mail system may send any number of messages that are refused. */
static void refusals_are_not_a_breach(void **state)
{
    (void)state;
    begin_lmtp();
    say("M");
    for (int i = 0; i < 3 * MAX_ERRORS; i++)
        assert_int_equal(ask(WALL_RECIPIENT, "nobody"), VERDICT_UNKNOWN);
    assert_int_equal(ask(WALL_RECIPIENT, "alice"), VERDICT_OK);
    for (int i = 0; i < 3 * MAX_ERRORS; i++) {
        make(WALL_REFUSED_TEXT);
        send_message();
    }
    commit(1);
    hang_up();
    assert_no_breach("refusals", "\"front gone\" messages=1");
}

static void no_authentication(void **state)
{
    (void)state;
    more_settings = "auth-without-tls=yes\n";
    make_database("yes");
    begin_lmtp();
    make(WALL_AUTH);
    message.sasl = (struct wall_sasl){
        .mechanism = WALL_PLAIN, .has_response = 1, .len = 9, .data = "\0alice\0pw"};
    send_message();
    assert_breach("AUTH", "authentication");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(smtp_has_one_result),
        TEST(each_recipient_has_its_result),
        TEST(the_front_cannot_claim_smtp),
        TEST(recipients_are_limited_by_the_room_for_results),
        TEST(too_much_text),
        TEST(refusals_are_not_a_breach),
        TEST(no_authentication),
    };

    return cmocka_run_group_tests_name("wall_lmtp", tests, NULL, NULL);
}
