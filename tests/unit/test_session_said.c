/*
 * session: replies of other servers, which the back passes on in WALL_SAID.
 */
#include "session_in_memory.h"

static int set_up(void **state)
{
    (void)state;
    settings = (struct wall_settings){
        .session.hostname = "mx.example.org",
        .greet = true,
        .session.max_message_size = 1000,
        .session.max_recipients = 100,
        .session.max_errors = 100,
        .session.max_idle = 100,
    };
    begin_session();
    return 0;
}

static void answer_mail(const char *line)
{
    const struct wall_message accepted = {.type = WALL_VERDICT};

    send_line(line);
    session_answer(&session, &accepted, &step);
    assert_reply("250");
}

static void answer_rcpt(const char *said, enum verdict verdict)
{
    const struct wall_message answer = {.type = WALL_VERDICT, .verdict = {.code = verdict}};

    send_line("RCPT TO:<user@example.org>");
    session_said(&session, (struct slice){said, said == NULL ? 0 : strlen(said)});
    session_answer(&session, &answer, &step);
}

/* What is said is the reply if it is one line of the verdict's class; otherwise, ours. */
static void what_a_hop_says_of_a_recipient_is_the_reply(void **state)
{
    static char longest[WALL_SAID_MAX + 2], too_long[WALL_SAID_MAX + 3];
    static const char *const refused = "550 5.0.0 Refused by the next server\r\n";
    const struct {
        const char *said;
        enum verdict verdict;
        const char *reply;
    } examples[] = {
        {"550 5.1.1 No such user\n", VERDICT_HOP_REFUSED, "550 5.1.1 No such user\r\n"},
        {"552 5.2.2 Full", VERDICT_HOP_REFUSED, "552 5.2.2 Full\r\n"},
        {"450 4.2.0 Greylisted\n", VERDICT_HOP_DEFERRED, "450 4.2.0 Greylisted\r\n"},
        {longest, VERDICT_HOP_REFUSED, longest},
        {too_long, VERDICT_HOP_REFUSED, refused},
        {NULL, VERDICT_HOP_REFUSED, refused},
        {"", VERDICT_HOP_DEFERRED, "451 4.4.0 "},
        {"\n550 5.1.1 No such user\n", VERDICT_HOP_REFUSED, refused},
        {"450 4.2.0 Greylisted\n", VERDICT_HOP_REFUSED, refused},
        {"550 5.1.1 No\n", VERDICT_HOP_DEFERRED, "451 4.4.0 "},
        {"250 2.1.5 Fine\n", VERDICT_HOP_REFUSED, refused},
        {"550-5.1.1 More follows\n", VERDICT_HOP_REFUSED, refused},
        {"550", VERDICT_HOP_REFUSED, refused},
        {"55x 5.1.1 No\n", VERDICT_HOP_REFUSED, refused},
        {"5500 5.1.1 No\n", VERDICT_HOP_REFUSED, refused},
        {"550 5.1.1 No\r250 Yes\n", VERDICT_HOP_REFUSED, refused},
        {"550 5.1.1 \x7f\n", VERDICT_HOP_REFUSED, refused},
        {"550 5.1.1 \xc3\xa4\n", VERDICT_HOP_REFUSED, refused},
        {"550 5.1.1 a\tb\n", VERDICT_HOP_REFUSED, refused},
        {"550 5.1.1 Not asked\n", VERDICT_UNKNOWN, "550 5.1.1 No such user here\r\n"},
        {"550 5.1.1 Not asked\n", VERDICT_HOP_UNAVAILABLE, "451 4.4.1 "},
        {"550 5.1.1 Not asked\n", VERDICT_OK, "250 2.1.5 "},
    };

    (void)state;
    memset(longest, 'x', WALL_SAID_MAX);
    memcpy(longest, "550 ", 4);
    memset(too_long, 'x', WALL_SAID_MAX + 1);
    memcpy(too_long, "550 ", 4);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        begin_session();
        send_line("EHLO client.example");
        answer_mail("MAIL FROM:<>");
        answer_rcpt(examples[i].said, examples[i].verdict);
        assert_reply(examples[i].reply);
        assert_string_equal(step.reply + step.reply_len - 2, "\r\n");
        assert_int_equal(session.errors, step.reply[0] == '5');
    }
}

/* What a filter says may have several lines. Each gets the codes, and what is too much is left out.
 */
static void what_a_filter_says_can_have_lines(void **state)
{
    static const char *const refused = "550 5.7.1 Refused by a filter\r\n";
    static char many[MILTER_SAID_MAX + 1], too_long[MILTER_SAID_MAX + 2];
    static char long_line[WALL_SAID_MAX + 16];
    const struct {
        const char *said;
        enum verdict verdict;
        const char *reply;
    } examples[] = {
        {"550 5.7.1 No\n", VERDICT_MILTER_REFUSED, "550 5.7.1 No\r\n"},
        {"554 5.7.0 a\rb\r\rc\n", VERDICT_MILTER_REFUSED,
         "554-5.7.0 a\r\n554-5.7.0 b\r\n554-5.7.0 \r\n554 5.7.0 c\r\n"},
        {"451 a\rb\n", VERDICT_MILTER_DEFERRED, "451-a\r\n451 b\r\n"},
        {"451 4.7.1 a\r", VERDICT_MILTER_DEFERRED, "451 4.7.1 a\r\n"},
        {"451 4.7.1\n", VERDICT_MILTER_DEFERRED, "451 4.7.1\r\n"},
        {"550 \r\n", VERDICT_MILTER_REFUSED, "550 \r\n"},
        {"", VERDICT_MILTER_REFUSED, refused},
        {"\n", VERDICT_MILTER_DEFERRED, "451 4.7.1 Deferred by a filter, try again later\r\n"},
        {"451 4.7.1 a\rb\n", VERDICT_MILTER_REFUSED, refused},
        {"550 5.7.1 a\rb\tc\n", VERDICT_MILTER_REFUSED, refused},
        {"550 5.7.1 a\r\xc3\xa4\n", VERDICT_MILTER_REFUSED, refused},
        {"55\r 5.7.1 a\n", VERDICT_MILTER_REFUSED, refused},
        {"550\r5.7.1 a\n", VERDICT_MILTER_REFUSED, refused},
        {too_long, VERDICT_MILTER_REFUSED, refused},
        {long_line, VERDICT_MILTER_REFUSED, refused},
        {"421 4.7.0 a\rb\n", VERDICT_MILTER_UNAVAILABLE, "451 4.7.1 A filter is not available"},
    };

    (void)state;
    memset(too_long, '\r', sizeof too_long - 1);
    memcpy(too_long, "550 5.7.1 ", 10);
    memset(long_line, 'x', WALL_SAID_MAX + 11);
    memcpy(long_line, "550 5.7.1 a\r", 10);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        begin_session();
        send_line("EHLO client.example");
        answer_mail("MAIL FROM:<>");
        answer_rcpt(examples[i].said, examples[i].verdict);
        assert_reply(examples[i].reply);
        assert_string_equal(step.reply + step.reply_len - 2, "\r\n");
        assert_false(step.close);
    }
    memset(many, '\r', sizeof many - 1);
    memcpy(many, "550 5.7.1 first", 15);
    answer_rcpt(many, VERDICT_MILTER_REFUSED);
    assert_reply("550-5.7.1 first\r\n550-5.7.1 \r\n");
    assert_true(step.reply_len > STEP_REPLY_MAX - 16 && step.reply_len < STEP_REPLY_MAX);
    assert_memory_equal(step.reply + step.reply_len - 14, "\r\n550 5.7.1 \r\n", 14);
}

/* 421 closes the session; where several replies are due, with the last of them. */
static void a_filter_can_close_the_session(void **state)
{
    static const struct wall_message result = {
        .type = WALL_RESULT,
        .result = {.count = 2, .codes = {VERDICT_MILTER_CLOSING, VERDICT_MILTER_CLOSING}}};

    (void)state;
    send_line("EHLO client.example");
    answer_mail("MAIL FROM:<>");
    answer_rcpt("421 4.7.0 Go\raway\n", VERDICT_MILTER_CLOSING);
    assert_reply("421-4.7.0 Go\r\n421 4.7.0 away\r\n");
    assert_true(step.close && step.end == END_FILTER);
    settings.lmtp = true;
    begin_session();
    send_line("LHLO client.example");
    answer_mail("MAIL FROM:<>");
    answer_rcpt(NULL, VERDICT_OK);
    answer_rcpt(NULL, VERDICT_OK);
    send_line("DATA");
    session_text_end(&session, VERDICT_OK, &step);
    session_said(&session, slice_of("421 4.7.0 Go\n"));
    session_answer(&session, &result, &step);
    assert_reply("421 4.7.0 Go\r\n");
    assert_true(step.more && !step.close);
    session_more(&session, &step);
    assert_reply("421 4.7.0 A filter has ended this session, closing\r\n");
    assert_true(!step.more && step.close && step.end == END_FILTER);
}

/* Each reply of a hop takes its line, in their order; ours take none. */
static void each_result_has_its_line(void **state)
{
    static const char said[] = "550 5.1.1 First\n\n452 4.2.2 Third\n";
    static const struct wall_message result = {
        .type = WALL_RESULT,
        .result = {.id = "id",
                   .count = 5,
                   .codes = {VERDICT_HOP_REFUSED, VERDICT_OK, VERDICT_HOP_REFUSED,
                             VERDICT_OVER_QUOTA, VERDICT_HOP_DEFERRED}},
    };
    static const char *const replies[] = {"550 5.1.1 First\r\n", "250 2.0.0 ",
                                          "550 5.0.0 Refused by the next server\r\n",
                                          "452 4.2.2 Mailbox is full", "452 4.2.2 Third\r\n"};

    (void)state;
    settings.lmtp = true;
    begin_session();
    send_line("LHLO client.example");
    answer_mail("MAIL FROM:<>");
    for (int i = 0; i < 5; i++)
        answer_rcpt(NULL, VERDICT_OK);
    send_line("DATA");
    session_text_end(&session, VERDICT_OK, &step);
    session_said(&session, slice_of(said));
    session_answer(&session, &result, &step);
    for (int i = 0; i < 5; i++) {
        assert_reply(replies[i]);
        assert_true(step.more == (i < 4));
        if (step.more)
            session_more(&session, &step);
    }
}

/* PRDR: the last reply is for all, and repeats none. */
static void a_reply_for_all_is_ours(void **state)
{
    static const struct wall_message result = {
        .type = WALL_RESULT,
        .result = {.id = "id", .count = 2, .codes = {VERDICT_HOP_REFUSED, VERDICT_HOP_REFUSED}}};
    static const char *const replies[] = {"353 ", "550 5.1.1 One\r\n", "554 5.7.1 Two\r\n",
                                          "550 5.0.0 Refused by the next server\r\n"};

    (void)state;
    send_line("EHLO client.example");
    answer_mail("MAIL FROM:<> PRDR");
    answer_rcpt(NULL, VERDICT_OK);
    answer_rcpt(NULL, VERDICT_OK);
    send_line("DATA");
    session_text_end(&session, VERDICT_OK, &step);
    session_said(&session, slice_of("550 5.1.1 One\n554 5.7.1 Two\n"));
    session_answer(&session, &result, &step);
    for (int i = 0; i < 4; i++) {
        assert_reply(replies[i]);
        if (step.more)
            session_more(&session, &step);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_a_hop_says_of_a_recipient_is_the_reply, set_up),
        cmocka_unit_test_setup(what_a_filter_says_can_have_lines, set_up),
        cmocka_unit_test_setup(a_filter_can_close_the_session, set_up),
        cmocka_unit_test_setup(each_result_has_its_line, set_up),
        cmocka_unit_test_setup(a_reply_for_all_is_ours, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
