/*
 * session: every verb in every state, one by one and in random walks; the effect of the back's
 * answers and of faults in a message; errors are counted; refused commands leave no trace.
 */
#include "session_in_memory.h"

#include <stdlib.h>

enum state { START, READY, ENVELOPE, RECIPIENTS, REFUSED, CHUNKS, STATES };

static const struct wall_settings ordinary = {
    .session.hostname = "mx.example.org",
    .session.vrfy = true,
    .greet = true,
    .session.max_message_size = 1000,
    .session.max_recipients = 1000000,
    .session.max_errors = 1000000,
    .session.max_idle = 1000000,
};

static int set_up(void **state)
{
    (void)state;
    settings = ordinary;
    begin_session();
    return 0;
}

static enum state state_of_session(void)
{
    static const enum session_state states[STATES] = {
        SESSION_START,      SESSION_READY,   SESSION_ENVELOPE,
        SESSION_RECIPIENTS, SESSION_REFUSED, SESSION_CHUNKS,
    };
    enum state state = START;

    while (state < STATES && session.state != states[state])
        state++;
    assert_int_not_equal(state, STATES);
    bool accepted = state == RECIPIENTS || state == CHUNKS;
    assert_int_equal(session.transaction.recipients > 0, accepted);
    return state;
}

/* Stands in for the back: users called `no...` are unknown. */
static void answer(enum verdict yes)
{
    struct wall_message verdict = {.type = WALL_VERDICT};

    if (message.type == WALL_MAIL) {
        session_answer(&session, &verdict, &step);
        return;
    }
    bool unknown = message.address.local_len >= 2 && memcmp(message.address.local, "no", 2) == 0;

    verdict.verdict.code = unknown ? VERDICT_UNKNOWN : yes;
    verdict.verdict.count = 1;
    verdict.verdict.names[0] = message.address;
    session_answer(&session, &verdict, &step);
}

/* Sends a line, and gives the back's answer. Returns the type of the message to the back, or 0. */
static uint32_t say(const char *line)
{
    send_line(line);
    uint32_t sent = step.send ? message.type : 0;
    assert_true(step.wait == (sent == WALL_MAIL || sent == WALL_RECIPIENT || sent == WALL_VERIFY));
    if (step.wait)
        answer(VERDICT_USER);
    return sent;
}

static void go_to(enum state state)
{
    static const char *const lines[] = {[READY] = "EHLO client.example",
                                        [ENVELOPE] = "MAIL FROM:<a@b.example>",
                                        [RECIPIENTS] = "RCPT TO:<user@example.org>",
                                        [REFUSED] = "RCPT TO:<nobody@example.org>",
                                        [CHUNKS] = "BDAT 5"};

    set_up(NULL);
    for (enum state s = READY; s <= state; s++)
        if (s < RECIPIENTS || s == state || (s == RECIPIENTS && state == CHUNKS))
            say(lines[s]);
    assert_int_equal(state_of_session(), state);
}

/*
 * A cell for each state: the reply's code; what is sent to the back (`-` nothing, `m`ail,
 * `r`ecipient, `v`erify, `a`bandon) or done (`t`ext or a `c`hunk is read, a chunk is `s`kipped, the
 * session is closed: `x`); and the next state: START, READY, ENVELOPE, recipients (`+`), only
 * refused ones (`!`), CHUNKS.
 */
static const struct {
    const char *line;
    const char *cells[STATES];
} table[] = {
    /*                             START    READY    ENVELOPE RECIPIENTS REFUSED CHUNKS */
    {"EHLO client.example", {"250-R", "250-R", "250aR", "250aR", "250aR", "250aR"}},
    {"HELO client.example", {"250-R", "250-R", "250aR", "250aR", "250aR", "250aR"}},
    {"HELO", {"501-S", "501-R", "501-E", "501-+", "501-!", "501-C"}},
    {"EHLO a\tb", {"250-R", "250-R", "250aR", "250aR", "250aR", "250aR"}},
    {"MAIL FROM:<a@b.example>", {"503-S", "250mE", "503-E", "503-+", "503-!", "503-C"}},
    {"MAIL FROM:<>", {"503-S", "250mE", "503-E", "503-+", "503-!", "503-C"}},
    {"MAIL FROM:<a@b.example> SIZE=1001", {"503-S", "250mE", "503-E", "503-+", "503-!", "503-C"}},
    {"MAIL FROM:<a", {"503-S", "501-R", "503-E", "503-+", "503-!", "503-C"}},
    {"MAIL FROM:<a@b.example> X=Y", {"503-S", "555-R", "503-E", "503-+", "503-!", "503-C"}},
    {"RCPT TO:<user@example.org>", {"503-S", "503-R", "250r+", "250r+", "250r+", "503-C"}},
    {"RCPT TO:<nobody@example.org>", {"503-S", "503-R", "550r!", "550r+", "550r!", "503-C"}},
    {"RCPT TO:<a", {"503-S", "503-R", "501-!", "501-+", "501-!", "503-C"}},
    {"RCPT TO:<user@example.org> X=Y", {"503-S", "503-R", "555-!", "555-+", "555-!", "503-C"}},
    {"DATA", {"503-S", "503-R", "503-E", "354t+", "554-!", "503-C"}},
    {"DATA x", {"501-S", "501-R", "501-E", "501-+", "501-!", "501-C"}},
    {"RSET", {"250-S", "250-R", "250aR", "250aR", "250aR", "250aR"}},
    {"RSET x", {"501-S", "501-R", "501-E", "501-+", "501-!", "501-C"}},
    {"VRFY user", {"250vS", "250vR", "250vE", "250v+", "250v!", "250vC"}},
    {"VRFY nobody", {"550vS", "550vR", "550vE", "550v+", "550v!", "550vC"}},
    {"VRFY", {"501-S", "501-R", "501-E", "501-+", "501-!", "501-C"}},
    {"HELP", {"214-S", "214-R", "214-E", "214-+", "214-!", "214-C"}},
    {"HELP mail", {"214-S", "214-R", "214-E", "214-+", "214-!", "214-C"}},
    {"NOOP", {"250-S", "250-R", "250-E", "250-+", "250-!", "250-C"}},
    {"NOOP x", {"250-S", "250-R", "250-E", "250-+", "250-!", "250-C"}},
    {"EXPN list", {"502-S", "502-R", "502-E", "502-+", "502-!", "502-C"}},
    {"STARTTLS", {"502-S", "502-R", "502-E", "502-+", "502-!", "502-C"}},
    {"AUTH PLAIN AGEAYg==", {"502-S", "502-R", "502-E", "502-+", "502-!", "502-C"}},
    {"BDAT 5", {"503sS", "503sR", "503sE", "---cC", "554s!", "---cC"}},
    {"BDAT 5 LAST", {"503sS", "503sR", "503sE", "---cC", "554s!", "---cC"}},
    {"BDAT", {"421xS", "421xR", "421xE", "421x+", "421x!", "421xC"}},
    {"BDAT 5 FIRST", {"421xS", "421xR", "421xE", "421x+", "421x!", "421xC"}},
    {"XCLIENT NAME=x", {"500-S", "500-R", "500-E", "500-+", "500-!", "500-C"}},
    {"", {"500-S", "500-R", "500-E", "500-+", "500-!", "500-C"}},
    {"QUIT x", {"501-S", "501-R", "501-E", "501-+", "501-!", "501-C"}},
    {"QUIT", {"221xS", "221xR", "221xE", "221x+", "221x!", "221xC"}},
    {"GET / HTTP/1.1", {"421xS", "421xR", "421xE", "421x+", "421x!", "421xC"}},
};

enum { ROWS = sizeof table / sizeof table[0] };

/* RFC 5321 4.2.1, RFC 2034: each line has code, blank or hyphen, and CR LF; all have one code. */
static void assert_well_formed(void)
{
    const char *at = step.reply, *end = at + step.reply_len;
    bool last = false;

    assert_true(step.reply_len < STEP_REPLY_MAX);
    while (at < end) {
        const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
        assert_non_null(stop);
        assert_false(last);
        assert_memory_equal(at, step.reply, 3);
        last = at[3] == ' ';
        assert_true(last || at[3] == '-');
        at = stop + 2;
    }
    assert_true(last);
}

/* Sends the row's line in this state and compares the result with the cell. */
static void check_row(size_t row, enum state state)
{
    static const char
        letters[] = "SRE+!C",
        sent_letters[WALL_TYPES + 1] = {
            [WALL_MAIL] = 'm', [WALL_RECIPIENT] = 'r', [WALL_VERIFY] = 'v', [WALL_ABANDON] = 'a'};
    uint32_t sent = say(table[row].line);
    char got[16];

    if (step.read != STEP_READ_CHUNK)
        assert_well_formed();
    snprintf(got, sizeof got, "%.3s%c%c", step.reply_len > 0 ? step.reply : "---",
             step.read == STEP_READ_TEXT    ? 't'
             : step.read == STEP_READ_CHUNK ? 'c'
             : step.read == STEP_SKIP_CHUNK ? 's'
             : step.close                   ? 'x'
             : sent_letters[sent] != '\0'   ? sent_letters[sent]
                                            : '-',
             letters[state_of_session()]);
    bool refused = got[0] > '3' && got[3] != 'x' && sent_letters[sent] == '\0';
    assert_true(refused ==
                (sent == WALL_REFUSED)); /* the back is told what the front has refused itself */
    if (strcmp(got, table[row].cells[state]) != 0)
        fail_msg("'%s' in state %c: %s instead of %s", table[row].line, letters[state], got,
                 table[row].cells[state]);
}

static void every_verb_in_every_state(void **state)
{
    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        for (enum state s = START; s < STATES; s++) {
            go_to(s);
            check_row(row, s);
        }
    }
}

/* Reads a text, with or without a fault, and delivers it. The transaction is over in any case. */
static void end_text(enum verdict fault)
{
    session_text_end(&session, fault, &step);
    assert_true(step.send);
    assert_int_equal(message.type, fault == VERDICT_OK ? WALL_COMMIT : WALL_ABANDON);
    assert_true(step.wait == (fault == VERDICT_OK));
    if (step.wait) {
        const struct wall_message result = {.type = WALL_RESULT,
                                            .result = {.id = "id", .count = 1}};
        session_answer(&session, &result, &step);
    }
    assert_int_equal(state_of_session(), READY);
}

/* Reads a chunk that is not the last. A faulty one ends the transaction. */
static void end_chunk(enum verdict fault)
{
    session_chunk_end(&session, fault, &step);
    assert_well_formed();
    assert_int_equal(state_of_session(), fault == VERDICT_OK ? CHUNKS : READY);
    assert_true(step.send == (fault != VERDICT_OK));
    assert_true(!step.send || message.type == WALL_ABANDON);
}

/* The size, the beginning and the end are those of the whole message. */
static void chunks_are_of_one_message(void **state)
{
    static const struct {
        const char *line;
        uint64_t size;
        bool first, last;
    } chunks[] = {
        {"BDAT 0", 0, true, false},
        {"bdat 18446744073709551614", UINT64_MAX - 1, false, false},
        {"BDAT 00000000000000000007", 7, false, false},
        {"BDAT   5   last ", 5, false, true},
        {"BDAT 1 LAST", 1, true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        if (chunks[i].first)
            go_to(RECIPIENTS);
        say(chunks[i].line);
        assert_true(step.read == STEP_READ_CHUNK && step.chunk == chunks[i].size);
        assert_true(step.first == chunks[i].first && step.last == chunks[i].last);
        if (chunks[i].last) {
            end_text(VERDICT_OK);
            assert_reply("250 2.0.0 Delivered, id id\r\n");
        } else {
            end_chunk(VERDICT_OK);
            assert_reply("250 2.0.0 Chunk");
        }
    }
}

/* The end of the chunk is unknown, so the next command cannot be found. */
static void chunks_of_unknown_length_end_the_session(void **state)
{
    static const char *const lines[] = {"BDAT",
                                        "BDAT LAST",
                                        "BDAT -1",
                                        "BDAT 1x",
                                        "BDAT 1 LASTING",
                                        "BDAT 1 LAST LAST",
                                        "BDAT 1 2",
                                        "BDAT 18446744073709551615",
                                        "BDAT 18446744073709551616",
                                        "BDAT\t1",
                                        "bdat,1 LAST"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        go_to(RECIPIENTS);
        say(lines[i]);
        assert_true(step.close && step.read == STEP_READ_NOTHING);
        assert_reply("421 4.5.4 ");
        assert_int_equal(step.end, END_CHUNK);
    }
}

/* The table above is the model: a state must not depend on how it was reached. */
static void a_state_does_not_depend_on_its_history(void **state)
{
    (void)state;
    srandom(1);
    for (int i = 0; i < 200000; i++) {
        size_t row = (size_t)random() % ROWS;
        check_row(row, state_of_session());
        enum verdict fault = (enum verdict)(random() % (VERDICT_HOPS + 1));
        if (step.read == STEP_READ_CHUNK && !step.last)
            end_chunk(fault);
        else if (step.read == STEP_READ_TEXT || step.read == STEP_READ_CHUNK)
            end_text(fault);
        if (step.close)
            begin_session();
    }
}

static void faults_of_a_message_are_answered(void **state)
{
    static const struct {
        enum verdict fault;
        const char *reply;
    } faults[] = {
        {VERDICT_OK, "250 2.0.0 Delivered, id id\r\n"},
        {VERDICT_BARE_NEWLINE, "550 5.5.2 "},
        {VERDICT_TOO_LARGE, "552 5.3.4 "},
        {VERDICT_HOPS, "554 5.4.6 "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        go_to(RECIPIENTS);
        say("DATA");
        end_text(faults[i].fault);
        assert_reply(faults[i].reply);
    }
}

static void results_are_answered(void **state)
{
    static const struct {
        uint8_t code;
        const char *reply;
    } results[] = {
        {VERDICT_OK, "250 2.0.0 "},
        {VERDICT_NO_SPACE, "452 4.3.1 "},
        {VERDICT_OVER_QUOTA, "452 4.2.2 "},
        {VERDICT_LOCKED, "451 4.2.0 "},
        {VERDICT_MAILBOX, "451 4.2.0 "},
        {VERDICT_FAILED, "451 4.3.0 "},
        {VERDICT_LOOP, "554 5.4.6 "},
        {VERDICT_TOO_LARGE, "552 5.3.4 "},
        {VERDICT_COUNT, "451 "},
        {UINT8_MAX, "451 "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        go_to(RECIPIENTS);
        say("DATA");
        session_text_end(&session, VERDICT_OK, &step);
        struct wall_message result = {
            .type = WALL_RESULT, .result = {.id = "id", .count = 1, .codes = {results[i].code}}};
        session_answer(&session, &result, &step);
        assert_reply(results[i].reply);
        assert_int_equal(state_of_session(), READY);
    }
}

static void verdicts_are_answered(void **state)
{
    static const struct {
        uint32_t code;
        const char *vrfy, *rcpt;
    } verdicts[] = {
        {VERDICT_USER, "250 2.1.5 <\"a b\"@example.org>\r\n", "250 2.1.5 "},
        {VERDICT_CATCH_ALL, "252 2.", "250 2.1.5 "},
        {VERDICT_AMBIGUOUS, "553-5.1.4 ", "553 5.1.4 "}, /* only for VRFY */
        {VERDICT_UNKNOWN, "550 5.1.1 ", "550 5.1.1 "},
        {VERDICT_FOREIGN, "550 5.7.1 ", "550 5.7.1 "},
        {VERDICT_DISABLED, "550 5.2.1 ", "550 5.2.1 "},
        {VERDICT_OVER_QUOTA, "452 4.2.2 ", "452 4.2.2 "},
        {VERDICT_NO_SPACE, "452 4.3.1 ", "452 4.3.1 "},
        {VERDICT_TOO_MANY, "452 4.5.3 ", "452 4.5.3 "},
        {VERDICT_DATABASE, "451 4.3.0 ", "451 4.3.0 "},
        {VERDICT_COUNT, "451 4.3.0 ", "451 4.3.0 "},
        {UINT32_MAX, "451 4.3.0 ", "451 4.3.0 "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        static const char *const lines[] = {"VRFY \"a b\"@example.org",
                                            "RCPT TO:<\"a b\"@example.org>"};
        for (int rcpt = 0; rcpt <= 1; rcpt++) {
            go_to(ENVELOPE);
            send_line(lines[rcpt]);
            answer(verdicts[i].code);
            assert_reply(rcpt ? verdicts[i].rcpt : verdicts[i].vrfy);
            bool accepted = rcpt && verdicts[i].rcpt[0] == '2';
            assert_int_equal(state_of_session(), accepted ? RECIPIENTS : rcpt ? REFUSED : ENVELOPE);
        }
    }
}

/* One reply first, one for each recipient, one for the whole message. */
static void each_recipient_has_a_reply(void **state)
{
    static const struct {
        uint8_t codes[3];
        const char *replies[5];
    } examples[] = {
        {{VERDICT_OK, VERDICT_OK, VERDICT_OK},
         {"353 ", "250 2.0.0 ", "250 2.0.0 ", "250 2.0.0 ", "250 2.0.0 "}},
        {{VERDICT_OVER_QUOTA, VERDICT_OK, VERDICT_LOCKED},
         {"353 ", "452 4.2.2 ", "250 2.0.0 ", "451 4.2.0 ", "250 2.0.0 "}},
        {{VERDICT_LOOP, VERDICT_OVER_QUOTA, VERDICT_LOCKED},
         {"353 ", "554 5.4.6 ", "452 4.2.2 ", "451 4.2.0 ", "452 4.2.2 "}},
        {{VERDICT_LOOP, VERDICT_LOOP, VERDICT_LOOP},
         {"353 ", "554 5.4.6 ", "554 5.4.6 ", "554 5.4.6 ", "554 5.4.6 "}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct wall_message result = {.type = WALL_RESULT, .result = {.id = "id", .count = 3}};
        go_to(READY);
        assert_int_equal(say("MAIL FROM:<a@b.example> PRDR"), WALL_MAIL);
        assert_int_equal(message.mail.prdr, 1);
        for (int recipients = 0; recipients < 3; recipients++)
            say("RCPT TO:<user@example.org>");
        say("DATA");
        session_text_end(&session, VERDICT_OK, &step);
        memcpy(result.result.codes, examples[i].codes, 3);
        session_answer(&session, &result, &step);
        for (int reply = 0; reply < 5; reply++) {
            assert_reply(examples[i].replies[reply]);
            assert_well_formed();
            assert_true(step.more == (reply < 4));
            if (step.more)
                session_more(&session, &step);
        }
        assert_int_equal(state_of_session(), READY);
        assert_int_equal(session.errors, reply_class(session.outcome.replies[4]) == 5);
    }
}

/* With the longest names, the reply is still complete. */
static void replies_about_ambiguous_names_have_room(void **state)
{
    struct wall_message verdict = {.type = WALL_VERDICT,
                                   .verdict = {.code = VERDICT_AMBIGUOUS, .count = UINT32_MAX}};

    (void)state;
    for (size_t i = 0; i < VERDICT_NAMES_MAX; i++) {
        struct address *name = &verdict.verdict.names[i];
        name->local_len = ADDRESS_LOCAL_MAX;
        name->domain_len = ADDRESS_DOMAIN_MAX;
        memset(name->local, '"', sizeof name->local);
        memset(name->domain, 'x', sizeof name->domain);
    }
    go_to(READY);
    send_line("VRFY x");
    session_answer(&session, &verdict, &step);
    assert_well_formed();
    assert_reply("553-5.1.4 <\"\\\"");
    settings.session.max_errors = 0;
    send_line("VRFY x");
    session_answer(&session, &verdict, &step);
    assert_reply("421 4.7.0 ");
    assert_true(step.close);
}

static void senders_are_answered(void **state)
{
    static const char line[] = "MAIL FROM:<s@client.example>";
    static const struct {
        uint32_t code;
        const char *reply;
    } verdicts[] = {
        {VERDICT_OK, "250 2.1.0 "},       {VERDICT_NOT_YOURS, "550 5.7.1 "},
        {VERDICT_DATABASE, "451 4.3.0 "}, {VERDICT_TOO_LARGE, "552 5.3.4 "},
        {VERDICT_NO_SPACE, "452 4.3.1 "}, {VERDICT_COUNT, "451 4.3.0 "},
        {VERDICT_NO_NAME, "550 5.7.1 "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct wall_message sender = {.type = WALL_VERDICT, .verdict.code = verdicts[i].code};
        go_to(READY);
        send_line(line);
        session_answer(&session, &sender, &step);
        assert_reply(verdicts[i].reply);
    }
}

static void wrong_answers_close(void **state)
{
    static const struct {
        const char *line;
        uint32_t type;
    } wrong[] = {
        {"NOOP", WALL_VERDICT},
        {"NOOP", WALL_RESULT},
        {"NOOP", WALL_SETTINGS},
        {"DATA", WALL_VERDICT},
        {"DATA", WALL_SETTINGS},
        {"VRFY user", WALL_RESULT},
        {"VRFY user", 0},
        {"MAIL FROM:<>", WALL_RESULT},
        {"RCPT TO:<user@example.org>", WALL_RESULT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct wall_message bad = {.type = wrong[i].type};
        go_to(RECIPIENTS);
        send_line(wrong[i].line);
        if (step.read == STEP_READ_TEXT)
            session_text_end(&session, VERDICT_OK, &step);
        session_answer(&session, &bad, &step);
        assert_true(step.close);
        assert_reply("421 4.3.0 ");
        assert_false(step.send);
    }
}

/* One error too many, of any kind, closes the session. */
static void errors_are_counted(void **state)
{
    enum { MAX = 4 };
    static const char *const lines[] = {"FOO",
                                        "DATA",
                                        "EXPN x",
                                        "HELO",
                                        "MAIL FROM:<a",
                                        "QUIT x",
                                        "RCPT TO:<nobody@example.org>",
                                        "VRFY nobody"};
    enum { LINES = sizeof lines / sizeof lines[0] };

    (void)state;
    for (size_t i = 0; i <= LINES + 1; i++) {
        go_to(i > LINES ? READY : ENVELOPE);
        settings.session.max_errors = MAX;
        for (int errors = 1; errors <= MAX + 1; errors++) {
            say("NOOP"); /* is not an error */
            assert_reply("250");
            if (i < LINES)
                say(lines[i]);
            else if (i == LINES)
                session_bad_line(&session, REPLY_LINE_TOO_LONG, slice_of("x"), &step);
            else {
                say("MAIL FROM:<>");
                session_text_end(&session, VERDICT_BARE_NEWLINE, &step);
            }
            assert_int_equal(step.close, errors > MAX);
            assert_reply(errors > MAX ? "421 4.7.0 " : "5");
        }
        assert_int_equal(step.end, END_ERRORS);
    }
}

static void temporary_refusals_are_not_errors(void **state)
{
    (void)state;
    go_to(ENVELOPE);
    settings.session.max_errors = 1;
    for (int i = 0; i < 10; i++) {
        static const char line[] = "RCPT TO:<user@example.org>";
        send_line(line);
        answer(i % 2 == 0 ? VERDICT_TOO_MANY : VERDICT_DATABASE);
        assert_reply("45");
        assert_false(step.close);
    }
}

static void recipients_are_limited(void **state)
{
    (void)state;
    go_to(ENVELOPE);
    settings.session.max_recipients = 3;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(say("RCPT TO:<user@example.org>"), WALL_RECIPIENT);
        assert_reply("250");
    }
    send_line("RCPT TO:<user@example.org>");
    answer(VERDICT_TOO_MANY);
    assert_reply("452 4.5.3 ");
    assert_int_equal(state_of_session(), RECIPIENTS);
    say("DATA");
    assert_reply("354");
    end_text(VERDICT_OK);
    say("MAIL FROM:<>");
    for (int i = 0; i < 4; i++) /* the back does not count them */
        assert_int_equal(say("RCPT TO:<user@example.org>"), WALL_RECIPIENT);
    assert_reply("421 4.3.0 ");
    assert_true(step.close);
}

/* RFC 9422: refused MAIL commands count too. */
static void messages_are_limited(void **state)
{
    (void)state;
    go_to(READY);
    settings.session.max_messages = 3;
    say("EHLO client.example");
    assert_non_null(strstr(step.reply, "250-LIMITS RCPTMAX=400 MAILMAX=3\r\n"));
    for (int i = 0; i < 3; i++) {
        say(i == 1 ? "MAIL TO:<>" : "MAIL FROM:<>");
        assert_reply(i == 1 ? "501" : "250");
        say("RSET");
    }
    assert_int_equal(say("MAIL FROM:<>"), 0);
    assert_reply("421 4.7.0 ");
    assert_true(step.close);
    assert_int_equal(step.end, END_MESSAGES);
}

static void helo_names_are_limited(void **state)
{
    char line[300] = "HELO ";

    (void)state;
    memset(line + 5, 'x', WALL_HELO_MAX + 1);
    say(line);
    assert_reply("250 mx.example.org\r\n");
    say("MAIL FROM:<a@b.example>");
    assert_int_equal(message.mail.helo_len, WALL_HELO_MAX);
    assert_memory_equal(message.mail.helo, line + 5, WALL_HELO_MAX);
    assert_false(message.mail.extended);
    say("HELO  ");
    assert_reply("501 5.5.4 ");
    assert_int_equal(state_of_session(), ENVELOPE);
}

/* Blanks, control characters and 8-bit bytes do not reach the back. */
static void helo_names_are_made_printable(void **state)
{
    static const char *const names[][2] = {
        {"HELO a b", "a_b"},     {"EHLO a  b ", "a__b"},        {"EHLO \xc3\xbc.x", "__.x"},
        {"HELO \x80\xff", "__"}, {"HELO [1.2.3", "[1.2.3"},     {"EHLO B\xfcro PC", "B_ro_PC"},
        {"HELO a\tb", "a_b"},    {"HELO \x1b[0m\x7f", "_[0m_"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        say(names[i][0]);
        assert_reply("250");
        say("MAIL FROM:<a@b.example>");
        assert_int_equal(message.mail.helo_len, strlen(names[i][1]));
        assert_memory_equal(message.mail.helo, names[i][1], message.mail.helo_len);
    }
}

static void ehlo_offers_what_is_available(void **state)
{
    (void)state;
    say("EHLO [192.0.2.1]");
    assert_reply("250-mx.example.org\r\n250-SIZE 1000\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                 "250-CHUNKING\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS "
                 "RCPTMAX=400\r\n250-PRDR\r\n250-VRFY\r\n250 HELP\r\n");
    say("MAIL FROM:<a@b.example>");
    assert_true(message.mail.extended);
    settings.session.vrfy = false;
    say("EHLO x");
    assert_null(strstr(step.reply, "VRFY"));
    assert_int_equal(say("VRFY user"), 0);
    assert_reply("252 2.");
    assert_int_equal(say("VRFY nobody"), 0);
    assert_reply("252 2.");
}

/* HELP and the reply to a malformed command give the same syntax. */
static void syntax_is_the_same_everywhere(void **state)
{
    static const struct {
        const char *line, *verb, *syntax;
    } rows[] = {
        {"EHLO", "EHLO", "EHLO domain\r\n"},
        {"MAIL TO:<>", "MAIL",
         "MAIL FROM:<address> [SIZE=n] [BODY=7BIT|8BITMIME] [SMTPUTF8] [PRDR]\r\n"},
        {"RCPT FROM:<>", "RCPT", "RCPT TO:<address>\r\n"},
        {"VRFY", "VRFY", "VRFY address [SMTPUTF8]\r\n"},
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        go_to(rows[i].line[0] == 'R' ? ENVELOPE : READY);
        say(rows[i].line);
        snprintf(text, sizeof text, "501 5.5.4 Syntax: %s", rows[i].syntax);
        assert_reply(text);
        snprintf(text, sizeof text, "HELP %s", rows[i].verb);
        say(text);
        snprintf(text, sizeof text, "214 2.0.0 %s", rows[i].syntax);
        assert_reply(text);
    }
}

/* The longest host name, the longest address to verify: all replies have room. */
static void long_replies_are_whole(void **state)
{
    char line[1024] = "VRFY \"";

    (void)state;
    memset(settings.session.hostname, 'h', ADDRESS_DOMAIN_MAX);
    say("EHLO x");
    assert_well_formed();
    for (int i = 0; i < ADDRESS_LOCAL_MAX; i++)
        strcat(line, "\\\"");
    strcat(line, "\"@d");
    for (int i = 0; i < 126; i++)
        strcat(line, ".d");
    say(line);
    assert_reply("250 2.1.5 <\"\\\"");
    assert_memory_equal(step.reply + step.reply_len - 7, ".d.d>\r\n", 7);
}

static void sessions_ended_from_outside(void **state)
{
    static const struct {
        enum end end;
        const char *reply;
    } ends[] = {
        {END_IDLE, "421 4.4.2 "},    {END_TOO_LONG, "421 4.4.2 "}, {END_TOO_SLOW, "421 4.4.2 "},
        {END_STOPPED, "421 4.3.2 "}, {END_FAULT, "421 4.3.0 "},    {END_CLOSED, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        session_end(ends[i].end, &step);
        assert_true(step.close && !step.send && !step.wait && step.read == STEP_READ_NOTHING);
        assert_int_equal(step.end, ends[i].end);
        assert_reply(ends[i].reply);
        assert_true(ends[i].reply[0] != '\0' || step.reply_len == 0);
    }
}

static void unsafe_configuration_is_not_served(void **state)
{
    (void)state;
    assert_reply("220 mx.example.org ESMTP");
    settings.refuse = true;
    begin_session();
    assert_reply("421 4.3.5 ");
    assert_true(step.close);
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_verb_in_every_state),
        TEST(a_state_does_not_depend_on_its_history),
        TEST(chunks_are_of_one_message),
        TEST(chunks_of_unknown_length_end_the_session),
        TEST(faults_of_a_message_are_answered),
        TEST(results_are_answered),
        TEST(verdicts_are_answered),
        TEST(each_recipient_has_a_reply),
        TEST(replies_about_ambiguous_names_have_room),
        TEST(senders_are_answered),
        TEST(wrong_answers_close),
        TEST(errors_are_counted),
        TEST(temporary_refusals_are_not_errors),
        TEST(recipients_are_limited),
        TEST(messages_are_limited),
        TEST(helo_names_are_limited),
        TEST(helo_names_are_made_printable),
        TEST(ehlo_offers_what_is_available),
        TEST(syntax_is_the_same_everywhere),
        TEST(long_replies_are_whole),
        TEST(sessions_ended_from_outside),
        TEST(unsafe_configuration_is_not_served),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
