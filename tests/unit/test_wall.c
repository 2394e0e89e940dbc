/*
 * wall: a front that an attacker controls. Scripts send over the wall what our front would never
 * send. Each time the back, in its own process, refuses it, logs it, changes no mailbox, leaves no
 * lock, and ends. Honest scripts deliver, which shows that the test can fail.
 */
#include "wall_peer.h"

static void honest_scripts_deliver(void **state)
{
    (void)state;
    begin();
    say("MRTTCMAMRAMRTC");
    make(WALL_END); /* END_QUIT */
    send_message();
    assert_no_breach("honest", "quit messages=2");
    const char *box = get("mail/example.org/alice");
    assert_memory_equal(box, OLD "From carol@example.org ", sizeof OLD + 22);
    assert_non_null(strstr(box, "+0000\n\nx\nx\n\nFrom carol@example.org "));
    assert_memory_equal(box + strlen(box) - 10, "+0000\n\nx\n\n", 10);
}

/* Whatever the text, readers of the mailbox find exactly one more message. */
static void text_cannot_forge_messages(void **state)
{
    static const char text[] = "From a@b\n\nFrom c@d\n>From e@f\n\0\r\x7f\xff\n\n\nFro";

    (void)state;
    begin();
    say("MR");
    make(WALL_TEXT);
    memcpy(message.text, text, sizeof text - 1);
    assert_int_equal(wall_send(wall, &message, sizeof text - 1), 0);
    memcpy(message.text, "m g@h\n>", 7);
    assert_int_equal(wall_send(wall, &message, 7), 0);
    say("C");
    hang_up();
    assert_no_breach("forging", "\"front gone\" messages=1");
    const char *box = get("mail/example.org/alice");
    assert_non_null(strstr(box, "+0000\nX-Mailbox-Line: From a@b\n\n>From c@d\n>>From e@f\n"));
    const char *second = strstr(box, "\nFrom ");
    assert_non_null(second);
    assert_null(strstr(second + 1, "\nFrom "));
}

static void malformed_packets(void **state)
{
    static struct {
        struct wall_message message;
        char more[8192];
    } packet;

    (void)state;
    for (uint32_t type = 0; type <= WALL_TYPES + 1; type++) {
        uint32_t sent = type > WALL_TYPES ? UINT32_MAX : type;
        size_t due = HEAD + wall_body_size(sent);
        size_t sizes[] = {1, 3, 4, 5, HEAD - 1, HEAD, due - 1, due + 1, due + 8, 70 * 1024};
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            char script[64];
            bool text_fits = wall_is_variable(type) && sizes[i] > HEAD && sizes[i] <= due;
            bool known = type > 0 && type < WALL_TYPES;
            if (known && (sizes[i] == due || text_fits))
                continue;
            snprintf(script, sizeof script, "type %u, %zu bytes", sent, sizes[i]);
            begin();
            say("MR");
            make(type);
            packet.message = message;
            packet.message.type = sent;
            assert_int_equal(send(wall, &packet, sizes[i], 0), sizes[i]);
            assert_breach(script, "malformed");
        }
    }
    begin();
    say("MRT");
    assert_int_equal(send(wall, &packet, 0, 0), 0);
    end();
    assert_unchanged();
}

/* Which message is allowed in which state (requests_table.h): `a` accepted, `b` a breach. */
static void out_of_order(void **state)
{
    static const struct {
        uint32_t type;
        const char *cells; /* idle, envelope, with recipient, text, then idle again twice */
    } table[] = {
        {WALL_SETTINGS, "bbbbbb"},      {WALL_CERTIFICATE, "bbbbbb"},
        {WALL_VERDICT, "bbbbbb"},       {WALL_RESULT, "bbbbbb"},
        {WALL_READY, "bbbbbb"},         {WALL_SIGNATURE, "bbbbbb"},
        {WALL_MECHANISMS, "bbbbbb"},    {WALL_CHALLENGE, "bbbbbb"},
        {WALL_STARTTLS, "bbbbbb"}, /* there is no certificate */
        {WALL_VERIFY, "aaaaaa"},        {WALL_MAIL, "abbbaa"},
        {WALL_RECIPIENT, "baabbb"},     {WALL_TEXT, "bbaabb"},
        {WALL_COMMIT, "bbaabb"},        {WALL_ABANDON, "baaabb"},
        {WALL_REFUSED, "aaaaaa"},       {WALL_REFUSED_TEXT, "bbaabb"},
        {WALL_HOP, "bbbbbb"},           {WALL_HOP_MAIL, "bbbbbb"},
        {WALL_HOP_RCPT, "bbbbbb"},      {WALL_HOP_DATA, "bbbbbb"},
        {WALL_HOP_DOT, "bbbbbb"},       {WALL_HOP_RESET, "bbbbbb"},
        {WALL_HOP_READY, "bbbbbb"},     {WALL_HOP_REPLY, "bbbbbb"},
        {WALL_MILTER_EVENT, "bbbbbb"},  {WALL_MILTER_HEADER, "bbbbbb"},
        {WALL_MILTER_BODY, "bbbbbb"},   {WALL_MILTER_REPLY, "bbbbbb"},
        {WALL_MILTER_CHANGE, "bbbbbb"}, {WALL_MILTER_PROGRESS, "bbbbbb"},
    };
    static const char *const states[] = {"", "M", "MR", "MRT", "MA", "MRTA"};

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
            char script[32];
            snprintf(script, sizeof script, "%s and then type %u", states[s], table[i].type);
            begin();
            say(states[s]);
            make(table[i].type);
            send_message();
            assert_order(script, table[i].cells[s]);
            put("mail/example.org/alice", OLD);
        }
    }
}

#define POKE(type, member, bytes, what)                                                            \
    {                                                                                              \
        type, #member, offsetof(struct wall_message, member), bytes, sizeof(bytes) - 1, what       \
    }

/* These bytes are written into an otherwise valid message. */
static void values_out_of_bounds(void **state)
{
    static const struct {
        uint32_t type;
        const char *member;
        size_t at;
        const char *bytes;
        size_t len;
        const char *what;
    } pokes[] = {
        POKE(WALL_MAIL, mail.sender.local_len, "\0\1", "sender"), /* 256 */
        POKE(WALL_MAIL, mail.sender.local_len, "\xff\xff", "sender"),
        POKE(WALL_MAIL, mail.sender.domain_len, "\0\1", "sender"),
        POKE(WALL_MAIL, mail.sender.domain_len, "\xff\xff", "sender"),
        POKE(WALL_MAIL, mail.sender.local[1], "\n", "sender"),
        POKE(WALL_MAIL, mail.sender.local[1], "\0", "sender"),
        POKE(WALL_MAIL, mail.sender.local[1], "\x7f", "sender"),
        POKE(WALL_MAIL, mail.sender.local[1], "\xff", "sender"),
        POKE(WALL_MAIL, mail.sender.domain[0], "-", "sender"),
        POKE(WALL_MAIL, mail.sender.domain[1], "\n", "sender"),
        POKE(WALL_MAIL, mail.sender.domain[1], "/", "sender"),
        POKE(WALL_MAIL, mail.sender.domain[1], "..", "sender"),
        POKE(WALL_MAIL, mail.sender.domain[1], "@", "sender"),
        POKE(WALL_MAIL, mail.helo_len, "\0\0", "sender"),
        POKE(WALL_MAIL, mail.helo_len, "\0\1", "sender"),
        POKE(WALL_MAIL, mail.helo_len, "\xff\xff", "sender"),
        POKE(WALL_MAIL, mail.helo_len, "\7\0", "sender"), /* the NUL after it */
        POKE(WALL_MAIL, mail.helo[0], "\n", "sender"),
        POKE(WALL_MAIL, mail.helo[5], " ", "sender"),
        POKE(WALL_MAIL, mail.helo[1], "\x1b", "sender"),
        POKE(WALL_MAIL, mail.helo[1], "\x80", "sender"),
        POKE(WALL_MAIL, mail.extended, "\2", "sender"),
        POKE(WALL_MAIL, mail.body, "\3", "sender"),
        POKE(WALL_MAIL, mail.author_len, "\1", "sender"), /* a NUL */
        POKE(WALL_MAIL, mail.author_len, "\2a ", "sender"),
        POKE(WALL_RECIPIENT, address.local_len, "\0\1", "address"),
        POKE(WALL_RECIPIENT, address.local_len, "\xff\xff", "address"),
        POKE(WALL_RECIPIENT, address.domain_len, "\xff\xff", "address"),
        POKE(WALL_RECIPIENT, address.local_len, "\0\0\0\0", "address"),
        POKE(WALL_RECIPIENT, address.local[0], "\n", "address"),
        POKE(WALL_RECIPIENT, address.domain[3], "\0", "address"),
        POKE(WALL_RECIPIENT, address.domain[3], "\xc3\xbc", "address"),
        POKE(WALL_VERIFY, address.local_len, "\0\1", "address"),
        POKE(WALL_VERIFY, address.domain_len, "\0\1", "address"),
        POKE(WALL_VERIFY, address.local_len, "\0\0\0\0", "address"),
        POKE(WALL_VERIFY, address.local[4], "\r", "address"),
        POKE(WALL_REFUSED_TEXT, fault, "\0", "\"fault of a message\""),   /* VERDICT_OK */
        POKE(WALL_REFUSED_TEXT, fault, "\x13", "\"fault of a message\""), /* VERDICT_LOOP */
        POKE(WALL_REFUSED_TEXT, fault, "\xff\xff\xff\xff", "\"fault of a message\""),
        POKE(WALL_END, end.end, "\x0f", "end"), /* END_HANDED_OVER: nothing was granted */
        POKE(WALL_END, end.end, "\x10", "end"), /* END_STOPPED: only the back decides this */
        POKE(WALL_END, end.end, "\x14", "end"), /* END_COUNT */
        POKE(WALL_END, end.end, "\xff\xff\xff\xff", "end"),
        POKE(WALL_REFUSED, refused.reply, "\xff\xff", "refusal"),
        POKE(WALL_REFUSED, refused.reply, "\0\0", "refusal"), /* the greeting is not a refusal */
        POKE(WALL_REFUSED, refused.len, "\1\1", "refusal"),   /* 257 */
        POKE(WALL_REFUSED, refused.len, "\xff\xff\xff\xff", "refusal"),
    };

    (void)state;
    assert_int_equal(VERDICT_LOOP, 0x13);
    assert_int_equal(END_HANDED_OVER, 0x0f);
    assert_int_equal(END_STOPPED, 0x10);
    assert_int_equal(END_COUNT, 0x14);
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        begin();
        say(pokes[i].type == WALL_RECIPIENT || pokes[i].type == WALL_REFUSED_TEXT ? "MR" : "");
        make(pokes[i].type);
        memcpy((char *)&message + pokes[i].at, pokes[i].bytes, pokes[i].len);
        send_message();
        assert_breach(pokes[i].member, pokes[i].what);
    }
}

static void too_much_text(void **state)
{
    (void)state;
    begin();
    say("MR");
    for (int i = 0; i < 20; i++) {
        make(WALL_TEXT);
        memset(message.text, 'x', WALL_TEXT_MAX);
        assert_int_equal(wall_send(wall, &message, WALL_TEXT_MAX), 0);
    }
    make(WALL_COMMIT);
    send_message();
    assert_int_equal(answer(WALL_RESULT), VERDICT_TOO_LARGE);
    assert_unchanged();
    hang_up();
    assert_no_breach("too much text", "\"too large\"");
    assert_unchanged();
}

static void too_many_recipients(void **state)
{
    static const char *const names[] = {"alice", "bob", "carol", "dave", "nobody", "alice"};

    (void)state;
    begin();
    say("M");
    for (int i = 0; i < 6; i++)
        assert_int_equal(ask(WALL_RECIPIENT, names[i]),
                         i < MAX_RECIPIENTS ? VERDICT_OK : VERDICT_TOO_MANY);
    hang_up();
    assert_no_breach("too many recipients", "\"too many recipients\"");
    assert_unchanged();
}

static void guessing_addresses(void **state)
{
    static const uint32_t types[] = {WALL_VERIFY, WALL_RECIPIENT};

    (void)state;
    for (int i = 0; i < 2; i++) {
        int answers = 0;
        begin();
        say("M");
        while (ask(types[i], "nobody") == VERDICT_UNKNOWN)
            answers++;
        assert_int_equal(answers, MAX_ERRORS + 1); /* as many as for an honest client */
        assert_breach("guessing", "\"too many errors\"");
    }
}

/* An alias with too many mailboxes is refused temporarily, which does not count as guessing. */
static void temporary_refusals_are_not_guesses(void **state)
{
    (void)state;
    begin();
    say("M");
    for (int i = 0; i < 2 * MAX_ERRORS; i++)
        assert_int_equal(ask(WALL_RECIPIENT, "everyone"), VERDICT_TOO_MANY);
    assert_int_equal(ask(WALL_RECIPIENT, "nobody"), VERDICT_UNKNOWN);
    hang_up();
    assert_no_breach("everyone", "\"front gone\"");
    assert_unchanged();
}

static void verify_where_it_is_off(void **state)
{
    (void)state;
    make_database("no");
    begin();
    make(WALL_VERIFY);
    send_message();
    assert_breach("VRFY", "\"out of order\"");
}

/* The front sends requests and never reads an answer: the back must not block. */
static void answers_that_nobody_reads(void **state)
{
    (void)state;
    begin();
    make(WALL_VERIFY);
    for (int i = 0; i < 5000; i++)
        if (send(wall, &message, HEAD + sizeof message.address, MSG_DONTWAIT) < 0)
            usleep(100);
    assert_breach("no answer read", "\"answers not read\"");
}

static void silence(void **state)
{
    (void)state;
    leap = 60; /* session-timeout and one minute of grace are 61 seconds */
    begin();
    say("MRT");
    assert_breach("silence", "overstaying");
}

/* A delivery, or its wait for a lock, may take longer than a front may be silent. */
static void slow_deliveries_do_not_count_as_silence(void **state)
{
    (void)state;
    delivery_takes = 240;
    begin();
    say("MRTCMRTC");
    assert_int_equal(ask(WALL_VERIFY, "alice"), VERDICT_USER);
    hang_up();
    assert_no_breach("slow deliveries", "\"front gone\" messages=2");
}

static void fronts_that_end_in_a_transaction(void **state)
{
    static const char *const scripts[] = {"", "M", "MR", "MRT", "MRTTT", "MRTAM"};

    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        begin();
        say(scripts[i]);
        hang_up();
        assert_no_breach(scripts[i], "\"front gone\" messages=0");
        assert_unchanged();
    }
    /* a complete message stays, although nobody can receive the reply */
    begin();
    say("MRT");
    make(WALL_COMMIT);
    send_message();
    hang_up();
    end();
    assert_true(strlen(get("mail/example.org/alice")) > strlen(OLD));
    put("mail/example.org/alice", OLD);
    assert_unchanged();
}

/* The front was told that the database is unsafe: its requests are refused. */
static void unsafe_database(void **state)
{
    (void)state;
    assert_int_equal(chmod("mailslot.cdb", 0666), 0);
    begin();
    assert_true(message.settings.refuse);
    say("M");
    assert_int_equal(ask(WALL_RECIPIENT, "alice"), VERDICT_DATABASE);
    make(WALL_TEXT);
    send_message();
    assert_int_equal(end(), BACK_EXIT_CONFIGURATION);
    assert_non_null(strstr(get("log"), "breach"));
    assert_unchanged();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(honest_scripts_deliver),
        TEST(text_cannot_forge_messages),
        TEST(malformed_packets),
        TEST(out_of_order),
        TEST(values_out_of_bounds),
        TEST(too_much_text),
        TEST(too_many_recipients),
        TEST(guessing_addresses),
        TEST(temporary_refusals_are_not_guesses),
        TEST(verify_where_it_is_off),
        TEST(answers_that_nobody_reads),
        TEST(silence),
        TEST(slow_deliveries_do_not_count_as_silence),
        TEST(fronts_that_end_in_a_transaction),
        TEST(unsafe_database),
    };

    return cmocka_run_group_tests_name("wall", tests, NULL, NULL);
}
