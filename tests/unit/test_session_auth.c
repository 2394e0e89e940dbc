/*
 * session, STARTTLS and AUTH: when each is offered, accepted and refused, and the effect of the
 * back's answers.
 */
#include "session_in_memory.h"

static const struct wall_settings in_clear = {
    .session.hostname = "mx.example.org",
    .session.vrfy = true,
    .greet = true,
    .starttls = true,
    .auth = true,
    .tls_due = true,
    .session.max_message_size = 1000,
    .session.max_recipients = 10,
    .session.max_errors = 1000,
    .session.max_idle = 1000000,
};

static void begin(bool secure, bool submission)
{
    settings = in_clear;
    settings.secure = secure;
    settings.starttls = !secure;
    settings.mechanisms = secure ? WALL_PLAIN | WALL_LOGIN | WALL_SCRAM : 0;
    settings.submission = submission;
    begin_session();
}

/* The line is refused with this reply, the back is told, and nothing else follows. */
static void refused(const char *line, const char *reply)
{
    char status[REPLY_STATUS_MAX];

    send_line(line);
    assert_reply(reply);
    assert_true(step.send && message.type == WALL_REFUSED);
    assert_reply(reply_status((enum reply)message.refused.reply, status));
    assert_false(step.wait || step.close || session.in_auth);
}

static void challenge(enum verdict code, const char *text)
{
    struct wall_message answer = {.type = WALL_CHALLENGE};

    answer.challenge.code = code;
    answer.challenge.len = (uint32_t)strlen(text);
    memcpy(answer.challenge.data, text, strlen(text));
    session_answer(&session, &answer, &step);
}

static void asked(enum wall_type type, const char *data, size_t len)
{
    assert_true(step.send && step.wait && step.secret);
    assert_int_equal(message.type, type);
    assert_int_equal(message.sasl.len, len);
    assert_memory_equal(message.sasl.data, data, len);
    assert_int_equal(step.reply_len, 0);
}

static void starttls_ends_the_session(void **state)
{
    struct wall_message answer = {.type = WALL_READY};

    (void)state;
    begin(false, false);
    refused("STARTTLS x", "501 5.5.4 ");
    send_line("STARTTLS");
    assert_true(step.send && step.wait && !step.close);
    assert_int_equal(message.type, WALL_STARTTLS);
    session_answer(&session, &answer, &step);
    assert_reply("454 4.7.0 ");
    assert_false(step.close);
    send_line("STARTTLS");
    answer.ready = 1;
    session_answer(&session, &answer, &step);
    assert_reply("220 2.0.0 ");
    assert_true(step.close);
    assert_int_equal(step.end, END_HANDED_OVER);
    begin(true, false);
    refused("STARTTLS", "503 5.5.1 ");
    settings = in_clear;
    settings.starttls = false;
    refused("STARTTLS", "502 5.5.1 ");
}

static void auth_is_offered_where_it_works(void **state)
{
    (void)state;
    begin(false, false);
    send_line("EHLO x");
    assert_non_null(strstr(step.reply, "250-STARTTLS\r\n"));
    assert_null(strstr(step.reply, "AUTH"));
    refused("AUTH PLAIN AGEAYg==", "538 5.7.11 ");
    begin(true, false);
    send_line("EHLO x");
    assert_null(strstr(step.reply, "STARTTLS"));
    assert_non_null(strstr(step.reply, "250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"));
    settings.greet = false;
    begin_session();
    assert_int_equal(step.reply_len, 0);
}

static void auth_is_refused_in_other_states(void **state)
{
    (void)state;
    begin(true, false);
    refused("AUTH PLAIN AGEAYg==", "503 5.5.1 ");
    send_line("HELO x");
    refused("AUTH PLAIN AGEAYg==", "503 5.5.1 ");
    send_line("EHLO x");
    refused("AUTH", "501 5.5.4 ");
    refused("AUTH CRAM-MD5", "504 5.5.4 ");
    refused("AUTH EXTERNAL", "504 5.5.4 ");
    refused("AUTH PLAIN AGEAYg", "501 5.5.2 ");
    refused("AUTH PLAIN *", "501 5.5.2 ");
    refused("AUTH PLAIN AGEAYg== x", "501 5.5.2 ");
    send_line("AUTH plain AGEAYg==");
    asked(WALL_AUTH, "\0a\0b", 4);
    assert_int_equal(message.sasl.mechanism, WALL_PLAIN);
    assert_int_equal(message.sasl.has_response, 1);
    challenge(VERDICT_OK, "");
    assert_reply("235 2.7.0 ");
    refused("AUTH PLAIN AGEAYg==", "503 5.5.1 ");
    settings.auth = false;
    begin(true, false);
    settings.auth = false;
    send_line("EHLO x");
    refused("AUTH PLAIN AGEAYg==", "502 5.5.1 ");
}

/* Framing: in chunks, the length shows where the message ends. */
static void bare_newlines_depend_on_configuration_user_and_framing(void **state)
{
    static const struct {
        enum newline configured;
        enum data_newlines data, chunks, of_users;
    } table[] = {
        {NEWLINE_AUTO, DATA_REJECT, DATA_NORMALISE_LF, DATA_NORMALISE},
        {NEWLINE_REJECT, DATA_REJECT, DATA_REJECT, DATA_REJECT},
        {NEWLINE_NORMALISE, DATA_NORMALISE, DATA_NORMALISE, DATA_NORMALISE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        begin(true, false);
        settings.session.bare_newline = table[i].configured;
        send_line("EHLO x");
        assert_int_equal(session_newlines(&session, false), table[i].data);
        assert_int_equal(session_newlines(&session, true), table[i].chunks);
        send_line("AUTH PLAIN AGEAYg==");
        challenge(VERDICT_AUTH_FAILED, "");
        assert_int_equal(session_newlines(&session, false), table[i].data);
        send_line("AUTH PLAIN AGEAYg==");
        challenge(VERDICT_OK, "");
        assert_int_equal(session_newlines(&session, false), table[i].of_users);
        assert_int_equal(session_newlines(&session, true), table[i].of_users);
    }
}

static void an_empty_initial_response_is_not_a_missing_one(void **state)
{
    (void)state;
    begin(true, false);
    send_line("EHLO x");
    send_line("AUTH PLAIN =");
    asked(WALL_AUTH, "", 0);
    assert_int_equal(message.sasl.has_response, 1);
    challenge(VERDICT_AUTH_MALFORMED, "");
    assert_reply("501 5.5.2 ");
    send_line("AUTH PLAIN");
    asked(WALL_AUTH, "", 0);
    assert_int_equal(message.sasl.has_response, 0);
    challenge(VERDICT_CHALLENGE, "");
    assert_reply("334 \r\n");
    send_line("");
    asked(WALL_RESPONSE, "", 0);
}

static void an_exchange(void **state)
{
    (void)state;
    begin(true, false);
    send_line("EHLO x");
    send_line("AUTH LOGIN");
    challenge(VERDICT_CHALLENGE, "Username:");
    assert_reply("334 VXNlcm5hbWU6\r\n");
    assert_true(session.in_auth);
    send_line("RSET"); /* is valid base64, and not a command here */
    asked(WALL_RESPONSE, "E!\x13", 3);
    challenge(VERDICT_CHALLENGE, "Password:");
    send_line("cHc=");
    asked(WALL_RESPONSE, "pw", 2);
    challenge(VERDICT_AUTH_FAILED, "");
    assert_reply("535 5.7.8 ");
    assert_false(step.close || session.in_auth || session.authenticated);
    send_line("AUTH LOGIN YQ==");
    challenge(VERDICT_AUTH_UNAVAILABLE, "");
    assert_reply("454 4.7.0 ");
    send_line("AUTH LOGIN YQ==");
    challenge(VERDICT_AUTH_FAILED_LAST, "");
    assert_reply("535 5.7.8 ");
    assert_true(step.close);
    assert_int_equal(step.end, END_AUTH);
}

/* However an exchange ends, the back is told, and the next line is a command again. */
static void cancelled(const char *line, enum reply bad_line, const char *reply)
{
    begin(true, false);
    send_line("EHLO x");
    send_line("AUTH PLAIN");
    challenge(VERDICT_CHALLENGE, "");
    if (line != NULL)
        send_line(line);
    else
        session_bad_line(&session, bad_line, slice_of("BDAT"), &step);
    assert_reply(reply);
    assert_true(step.send && !step.wait && !step.close);
    assert_int_equal(message.type, WALL_CANCEL);
    send_line("NOOP");
    assert_reply("250 2.0.0 ");
    assert_false(step.send);
}

static void exchanges_are_cancelled(void **state)
{
    (void)state;
    cancelled("*", REPLY_OK, "501 5.7.0 ");
    cancelled("**", REPLY_OK, "501 5.5.2 ");
    cancelled("AGEAYg", REPLY_OK, "501 5.5.2 ");
    cancelled(NULL, REPLY_LINE_TOO_LONG, "500 5.5.6 ");
    cancelled(NULL, REPLY_LINE_NUL, "500 5.5.2 ");
    cancelled(NULL, REPLY_LINE_BARE, "500 5.5.2 ");
}

static void submission_demands_auth(void **state)
{
    static const char *const lines[] = {"MAIL FROM:<a@b.example>", "VRFY user"};

    (void)state;
    for (int secure = 0; secure < 2; secure++) {
        begin(secure, true);
        refused(lines[0], "503 5.5.1 ");
        send_line("EHLO x");
        for (size_t i = 0; i < 2; i++)
            refused(lines[i], secure ? "530 5.7.0 Auth" : "530 5.7.0 Encryption");
        refused("RCPT TO:<user@example.org>", "503 5.5.1 ");
    }
    send_line("AUTH PLAIN AGEAYg==");
    challenge(VERDICT_OK, "");
    for (size_t i = 0; i < 2; i++) {
        send_line(lines[i]);
        assert_true(step.send && step.wait);
    }
}

static void senders_are_judged(void **state)
{
    static const struct {
        uint32_t code;
        const char *reply;
    } answers[] = {
        {VERDICT_NOT_YOURS, "550 5.7.1 "},
        {VERDICT_DATABASE, "451 4.3.0 "},
        {77, "451 4.3.0 "},
        {VERDICT_OK, "250 2.1.0 "},
    };

    (void)state;
    begin(true, false);
    send_line("EHLO x");
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct wall_message answer = {.type = WALL_VERDICT, .verdict.code = answers[i].code};
        send_line("MAIL FROM:<a@b.example> AUTH=<>");
        assert_true(step.send && step.wait);
        session_answer(&session, &answer, &step);
        assert_reply(answers[i].reply);
        assert_true((session.state == SESSION_ENVELOPE) == (answers[i].code == VERDICT_OK));
    }
    refused("AUTH PLAIN AGEAYg==", "503 5.5.1 ");
    settings.auth = false;
    send_line("RSET");
    refused("MAIL FROM:<a@b.example> AUTH=<>", "555 5.5.4 ");
}

/* The settings are unknown: commands that depend on them are deferred, never refused permanently.
 */
static void with_a_broken_database_auth_is_deferred(void **state)
{
    (void)state;
    begin(false, true);
    settings.broken = true;
    settings.auth = settings.starttls = false;
    send_line("EHLO x");
    refused("STARTTLS", "454 4.7.0 ");
    refused("AUTH PLAIN AGEAYg==", "454 4.7.0 ");
    refused("MAIL FROM:<a@b.example>", "451 4.3.0 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starttls_ends_the_session),
        cmocka_unit_test(auth_is_offered_where_it_works),
        cmocka_unit_test(auth_is_refused_in_other_states),
        cmocka_unit_test(bare_newlines_depend_on_configuration_user_and_framing),
        cmocka_unit_test(an_empty_initial_response_is_not_a_missing_one),
        cmocka_unit_test(an_exchange),
        cmocka_unit_test(exchanges_are_cancelled),
        cmocka_unit_test(submission_demands_auth),
        cmocka_unit_test(senders_are_judged),
        cmocka_unit_test(with_a_broken_database_auth_is_deferred),
    };

    return cmocka_run_group_tests_name("session, STARTTLS and AUTH", tests, NULL, NULL);
}
