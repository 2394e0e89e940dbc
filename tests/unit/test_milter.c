/*
 * milter: what a hand says to one filter, and to the back. Each conversation is a list of lines:
 *
 *   E step [arguments] [+ macros]   the back asks: an event; X step: ... of a refused recipient
 *   H text, B text                  ... a part of the header, of the body
 *   < letter data                   the filter sends a packet; `<< bytes`: these; Z: it hangs up
 *   Q                               the back needs the filter no longer
 *   > letter data                   the filter must get this packet
 *   = answer                        the back must get this; E!: the hand must hang up
 *
 * In data `|` is NUL, and `#5` is a number of four bytes. What the filter sends is fed in one
 * piece, byte by byte, and in two pieces, cut at every byte.
 */
#include "../../smtpd/hand/milter.h"
#include "cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINES_MAX = 48, LOG_MAX = 16384, INPUT_MAX = 4096 };

/* Answers to the negotiation, without flags, and with all that a filter can do. */
#define HELO "E helo a|", "> O #6#511#2097151"
#define PLAIN HELO, "< O #6#511#0", "> H a|", "< c", "= helo continue"
#define LIKE_RSPAMD HELO, "< O #6#511#1044608", "> H a|", "= helo continue"
#define DATA "E data", "> T ", "< c", "= data continue"
#define EOH "E eoh", "> N ", "< c", "= eoh continue"
#define AT_END PLAIN, DATA, EOH, "E end", "> E "

static struct milter milter;
static struct milter_turn turn;
static struct wall_message message;
static char buffer[MILTER_BUFFER_SIZE];
static char input[INPUT_MAX]; /* of the filter, not yet fed */
static size_t input_len;
static char got[LOG_MAX], due[LOG_MAX];

static const char *const steps[MILTER_STEPS] = {
    [MILTER_NEGOTIATE] = "negotiate", [MILTER_CONNECT] = "connect",
    [MILTER_HELO] = "helo",           [MILTER_MAIL] = "mail",
    [MILTER_RCPT] = "rcpt",           [MILTER_DATA] = "data",
    [MILTER_HEADER] = "header",       [MILTER_EOH] = "eoh",
    [MILTER_BODY] = "body",           [MILTER_END] = "end",
    [MILTER_ABORT] = "abort",         [MILTER_IDLE] = "idle",
};

static void note(char *log, const char *format, ...)
{
    size_t len = strlen(log);
    va_list arguments;

    va_start(arguments, format);
    int more = vsnprintf(log + len, LOG_MAX - len, format, arguments);
    va_end(arguments);
    assert_in_range(more, 0, LOG_MAX - len - 1);
}

/* ---- what comes out -------------------------------------------------------------------------- */

static void note_data(struct slice data)
{
    for (; data.len > 0; data = slice_from(data, 1))
        note(got, "%c", *data.at == '\0' ? '|' : *data.at);
}

/* Numbers where there are some: of the negotiation, and the port of connect. */
static void note_packet(char letter, struct slice data)
{
    uint32_t number;

    note(got, "> %c ", letter);
    while (letter == 'O' && milter_take_number(&data, &number))
        note(got, "#%u", number);
    if (letter == 'C') {
        struct slice host = slice_until(data, '\0');
        note(got, "%.*s|%c", SLICE(host), data.at[host.len + 1]);
        data = slice_from(data, host.len + 2);
        if (data.len > 0)
            note(got, "%u ",
                 (unsigned)((unsigned char)data.at[0] << 8 | (unsigned char)data.at[1]));
        data = slice_from(data, 2);
    }
    note_data(data);
    note(got, "\n");
}

static void note_output(void)
{
    struct slice output = {buffer, turn.output_len};
    uint32_t len;

    assert_true(turn.output_len <= sizeof buffer);
    while (output.len > 0) {
        assert_true(milter_take_number(&output, &len));
        assert_in_range(len, 1, output.len);
        assert_in_range(len, 1, 1 + MILTER_DATA_MAX);
        note_packet(*output.at, (struct slice){output.at + 1, len - 1});
        output = slice_from(output, len);
    }
}

static void note_reply(const struct wall_milter_reply *reply)
{
    static const char *const answers[MILTER_ANSWERS] = {"continue", "accept",  "reject",
                                                        "tempfail", "discard", "shutdown"};
    static const char *const faults[MILTER_FAULTS] = {"",        "closed",   "malformed",
                                                      "refused", "disorder", "bad-change"};

    assert_int_equal(reply->filter, 5);
    note(got, "= %s %s", steps[reply->step],
         reply->fault != MILTER_SAID ? faults[reply->fault] : answers[reply->answer]);
    if (reply->code != 0)
        note(got, " %u %s %s", reply->code, reply->status, reply->text);
    note(got, "\n");
}

static void note_change(const struct wall_milter_change *change)
{
    static const char *const kinds[MILTER_CHANGES] = {"add",      "insert", "change", "body",
                                                      "add-rcpt", "delete", "sender", "quarantine"};
    size_t value_len =
        turn.body_len - offsetof(struct wall_milter_change, strings) - change->name_len;

    assert_int_equal(change->filter, 5);
    note(got, "= %s %u %.*s|", kinds[change->kind], change->index, (int)change->name_len,
         change->strings);
    note(got, "%.*s\n", (int)value_len, change->strings + change->name_len);
}

/* As milters.c does it. */
static void carry_out(void)
{
    for (;;) {
        note_output();
        if (turn.send && message.type == WALL_MILTER_REPLY)
            note_reply(&message.milter_reply);
        else if (turn.send && message.type == WALL_MILTER_CHANGE)
            note_change(&message.milter_change);
        else if (turn.send)
            note(got, "= progress\n");
        if (turn.close)
            note(got, "E!\n");
        if (milter.state != MILTER_SENDING)
            return;
        milter_go(&milter, &turn);
    }
}

/* ---- what goes in ---------------------------------------------------------------------------- */

/* Data of a line. Returns their number of bytes. */
static size_t read_data(const char *text, char *to)
{
    size_t len = 0;

    while (*text != '\0') {
        if (*text == '#') {
            char *end;
            unsigned long number = strtoul(text + 1, &end, 10);
            for (int i = 3; i >= 0; i--)
                to[len++] = (char)(number >> 8 * i);
            text = end;
        } else {
            to[len++] = *text == '|' ? '\0' : *text;
            text++;
        }
    }
    return len;
}

static void take_packet(const char *text)
{
    char *at = input + input_len;
    size_t len = read_data(text[1] == '\0' ? "" : text + 2, at + 5);

    for (int i = 3; i >= 0; i--)
        at[i] = (char)((len + 1) >> 8 * (3 - i));
    at[4] = text[0];
    input_len += 5 + len;
}

static void feed(size_t from, size_t to)
{
    while (from < to && milter.state == MILTER_WAITING) {
        size_t used = milter_feed(&milter, (struct slice){input + from, to - from}, &turn);
        assert_in_range(used, 1, to - from);
        from += used;
        carry_out();
    }
}

/* Feeds what the filter has sent (cuts.h). */
static bool feed_cut(long cut)
{
    bool is_cut = feed_in_pieces(input_len, cut, feed);

    input_len = 0;
    return is_cut;
}

static void ask_event(const char *line, bool refused)
{
    struct wall_milter_event *event = &message.milter_event;
    char text[4096], *macros;

    message.type = WALL_MILTER_EVENT;
    memset(event, 0, offsetof(struct wall_milter_event, strings));
    event->filter = 5;
    event->refused = refused;
    strcpy(text, line);
    if ((macros = strstr(text, " + ")) != NULL)
        *macros = '\0';
    char *arguments = strchr(text, ' ');
    if (arguments != NULL)
        *arguments++ = '\0';
    while (event->step < MILTER_STEPS &&
           (steps[event->step] == NULL || strcmp(steps[event->step], text) != 0))
        event->step++;
    event->arguments_len = (uint16_t)read_data(arguments == NULL ? "" : arguments, event->strings);
    event->macros_len = (uint16_t)read_data(macros == NULL ? "" : macros + 3,
                                            event->strings + event->arguments_len);
    turn.body_len =
        offsetof(struct wall_milter_event, strings) + event->arguments_len + event->macros_len;
    milter_request(&milter, &turn);
}

static void act(const char *line)
{
    if (line[0] == 'E' || line[0] == 'X') {
        ask_event(line + 2, line[0] == 'X');
    } else if (line[0] == 'H' || line[0] == 'B') {
        message.type = line[0] == 'H' ? WALL_MILTER_HEADER : WALL_MILTER_BODY;
        turn.body_len = strlen(line + 2);
        memcpy(message.text, line + 2, turn.body_len);
        milter_request(&milter, &turn);
    } else if (line[0] == 'Z') {
        milter_fail(&milter, MILTER_CLOSED, &turn);
    } else if (line[0] == 'Q') {
        milter_quit(&milter, &turn);
    }
    carry_out();
}

static void begin(void)
{
    milter_begin(&milter, 5);
    turn = (struct milter_turn){.message = &message, .buffer = buffer};
    memset(&message, 'x', sizeof message);
    input_len = 0;
    got[0] = due[0] = '\0';
}

static bool run(const char *const *lines, long cut)
{
    bool again = false;

    begin();
    for (; *lines != NULL; lines++) {
        const char *line = *lines;
        if (strncmp(line, "<<", 2) == 0) {
            input_len += read_data(line + 3, input + input_len);
        } else if (line[0] == '<') {
            take_packet(line + 2);
        } else {
            again = feed_cut(cut) || again;
            if (line[0] == '>' || line[0] == '=' || line[1] == '!')
                note(due, "%s\n", line);
            else
                act(line);
        }
    }
    again = feed_cut(cut) || again;
    assert_string_equal(got, due);
    return again;
}

static void run_all(const char *const rows[][LINES_MAX], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run(rows[i], -1);
        for (long cut = 0; run(rows[i], cut); cut++)
            ;
    }
}

#define RUN(rows) run_all(rows, sizeof(rows) / sizeof(rows)[0])

/* ---- conversations --------------------------------------------------------------------------- */

static void test_negotiation(void **state)
{
    /* clang-format off */
    static const char *const rows[][LINES_MAX] = {
        {PLAIN, "Q", "> Q ", "E!"},
        {LIKE_RSPAMD, "Q", "> Q ", "E!"},
        {HELO, "< O #2#1#0", "> H a|", "< c", "= helo continue"},
        {HELO, "< O #1#1", "> H a|", "< c", "= helo continue"}, /* an old one, without steps */
        {HELO, "< O #7#0#0", "= negotiate refused", "E!"},
        {HELO, "< O #0#0#0", "= negotiate refused", "E!"},
        {HELO, "< O #6#512#0", "= negotiate refused", "E!"},
        {HELO, "< O #6#0#2097152", "= negotiate refused", "E!"},
        {HELO, "< O #6", "= negotiate refused", "E!"},
        {HELO, "< O #6#0", "= negotiate refused", "E!"},
        {HELO, "< O #2#0", "= negotiate refused", "E!"},
        {HELO, "< O ", "= negotiate refused", "E!"},
        {HELO, "< O #6#0#0x", "= negotiate refused", "E!"},
        {HELO, "< O #6#0#0#1{i}", "= negotiate refused", "E!"}, /* no NUL */
        {HELO, "< c", "= negotiate refused", "E!"},
        {HELO, "< r", "= negotiate refused", "E!"},
        {HELO, "<< HTTP/1.1 400\r\n", "= negotiate refused", "E!"},
        {HELO, "<< #0", "= negotiate refused", "E!"},
        {HELO, "Z", "= negotiate closed", "E!", "E helo a|", "= idle closed", "E!", "Q", "E!"},
        {HELO, "<< #13O", "Z", "= negotiate closed", "E!"},
        {"Z", "= idle closed", "E!", "E abort", "E helo a|", "= idle closed", "E!"},
        {"E abort", PLAIN},
        /* it has said more than was asked */
        {HELO, "< O #6#511#0", "< c", "= helo malformed", "E!"},
        {PLAIN, "E mail <>|", "> M <>|", "< c", "< c", "= mail malformed", "E!"},
    };
    /* clang-format on */

    /* What comes after a reply is seen only if it comes at once. */
    (void)state;
    run_all(rows, sizeof rows / sizeof rows[0] - 2);
    for (size_t i = sizeof rows / sizeof rows[0] - 2; i < sizeof rows / sizeof rows[0]; i++)
        run(rows[i], 0);
}

static void test_connect(void **state)
{
    /* clang-format off */
    static const char *const rows[][LINES_MAX] = {
        {"E connect [192.0.2.1]|4|1234|192.0.2.1|", "> O #6#511#2097151", "< O #6#0#0",
         "> C [192.0.2.1]|41234 192.0.2.1|", "< c", "= connect continue"},
        {"E connect h|6|65535|2001:db8::1|", "> O #6#511#2097151", "< O #6#0#0",
         "> C h|665535 2001:db8::1|", "< a", "= connect accept"},
        {"E connect localhost|L|0|/run/x|", "> O #6#511#2097151", "< O #6#0#0",
         "> C localhost|L0 /run/x|", "< t", "= connect tempfail"},
        {"E connect unknown|U|0||", "> O #6#511#2097151", "< O #6#0#0", "> C unknown|U", "< r",
         "= connect reject"},
        /* neither wanted nor answered */
        {"E connect h|U|0||", "> O #6#511#2097151", "< O #6#0#1", "= connect continue"},
        {"E connect h|U|0||", "> O #6#511#2097151", "< O #6#0#4096", "> C h|U",
         "= connect continue"},
    };
    /* clang-format on */

    (void)state;
    RUN(rows);
}

/* All replies to a recipient, and what is none. */
static void test_replies(void **state)
{
    /* clang-format off */
    static const char *const rows[][3] = {
        {"< c", "= rcpt continue"},
        {"< a", "= rcpt accept"},
        {"< r", "= rcpt reject"},
        {"< t", "= rcpt tempfail"},
        {"< d", "= rcpt discard"},
        {"< 4", "= rcpt shutdown"},
        {"< s", "= rcpt continue"},
        {"< f", "= rcpt closed", "E!"},
        {"< y 550 5.1.1 No|", "= rcpt reject 550 5.1.1 No"},
        {"< y 450 No", "= rcpt tempfail 450 4.7.1 No"},
        {"< y 421 Go|", "= rcpt shutdown 421 4.7.0 Go"},
        {"< y 250 2.0.0 Ok|", "= rcpt malformed", "E!"},
        {"< y ", "= rcpt malformed", "E!"},
        {"< c x", "= rcpt malformed", "E!"},
        {"< r |", "= rcpt malformed", "E!"},
        {"< p x", "= rcpt malformed", "E!"},
        {"< ?", "= rcpt malformed", "E!"},
        {"< O #6#0#0", "= rcpt malformed", "E!"},
        {"< h a|b|", "= rcpt malformed", "E!"}, /* not at the end */
        {"< q why|", "= rcpt malformed", "E!"},
        {"< b x", "= rcpt malformed", "E!"},
        {"<< #0", "= rcpt malformed", "E!"},
        {"<< #65536y", "= rcpt malformed", "E!"},
        {"<< #4294967295b", "= rcpt malformed", "E!"},
        {"Z", "= rcpt closed", "E!"},
        {"<< #5y550", "Z", "E!"}, /* half a reply, below */
    };
    /* clang-format on */
    const char *lines[LINES_MAX] = {PLAIN, "E rcpt <a@b>|X=y|", "> R <a@b>|X=y|", "< p",
                                    "= progress"};
    size_t begun = 0;

    (void)state;
    while (lines[begun] != NULL)
        begun++;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = begun;
        for (size_t j = 0; j < 3 && rows[i][j] != NULL; j++) {
            lines[len++] = rows[i][j];
            if (strcmp(rows[i][j], "Z") == 0 && j == 1)
                lines[len++] = "= rcpt closed";
        }
        lines[len] = NULL;
        run(lines, -1);
        for (long cut = 0; run(lines, cut); cut++)
            ;
    }
}

/* Which macros come with which step. */
static void test_macros(void **state)
{
#define MACROS " + i|ID|j|host|auth_type|PLAIN|rcpt_addr|a@b|x|1|"
    /* clang-format off */
    static const char *const rows[][LINES_MAX] = {
        {HELO, "< O #6#0#0", "> H a|", "< c", "= helo continue", "E mail <>|" MACROS,
         "> D Mi|ID|{auth_type}|PLAIN|", "> M <>|", "< c", "= mail continue",
         "E rcpt <a@b>|" MACROS, "> D Ri|ID|{rcpt_addr}|a@b|", "> R <a@b>|", "< c",
         "= rcpt continue", "E data" MACROS, "> D Ti|ID|", "> T ", "< c", "= data continue",
         "E eoh" MACROS, "> D Ni|ID|", "> N ", "< c", "= eoh continue", "E end" MACROS,
         "> D Ei|ID|", "> E ", "< c", "= end continue"},
        /* as the filter lists them: names as it writes them, repeated ones too; an empty list means
         * none */
        {HELO, "< O #6#256#0#2x, {i} {x},none {auth_type}|#5j|#9k|#3|", "> H a|", "< c",
         "= helo continue", "E mail <>|" MACROS, "> D Mx|1|{i}|ID|{x}|1|{auth_type}|PLAIN|",
         "> M <>|", "< c", "= mail continue", "E rcpt <a@b>|" MACROS, "> R <a@b>|", "< c",
         "= rcpt continue", "E data + j|host|", "> T ", "< c",
         "= data continue", EOH, "E end" MACROS, "> D Ej|host|", "> E "},
        /* with steps that it does not want, too, but those of a message */
        {HELO, "< O #6#256#588#2i|", "> H a|", "< c", "= helo continue", "E mail <>|" MACROS,
         "> D Mi|ID|", "= mail continue", "E rcpt <>|" MACROS, "> D Ri|ID|{rcpt_addr}|a@b|",
         "= rcpt continue", "E data" MACROS, "> D Ti|ID|", "= data continue", "E eoh" MACROS,
         "= eoh continue"},
        {HELO, "< O #6#256#0#2none|", "> H a|", "< c", "= helo continue", "E mail <>|" MACROS,
         "> M <>|"},
        /* version 2 knows no DATA */
        {HELO, "< O #2#0#0", "> H a|", "< c", "= helo continue", "E data" MACROS, "= data continue",
         EOH},
    };
    /* clang-format on */

    (void)state;
    RUN(rows);
}

static void test_lists_of_macros_are_bounded(void **state)
{
    struct milter_macros macros;
    char list[4 + MILTER_LISTS_MAX + 2] = "\0\0\0\x02", out[MILTER_BUFFER_SIZE];
    char values[MILTER_EVENT_MAX] = "i\0";
    struct milter_output output = {.at = out, .size = sizeof out};

    (void)state;
    memset(list + 4, ' ', MILTER_LISTS_MAX + 1);
    for (size_t i = 4; i < MILTER_LISTS_MAX; i += 2)
        list[i] = 'i';
    memset(&macros, 0, sizeof macros);
    assert_false(milter_macros_read(&macros, (struct slice){list, sizeof list}));
    list[4 + MILTER_LISTS_MAX] = '\0';
    memset(&macros, 0, sizeof macros);
    assert_true(milter_macros_read(&macros, (struct slice){list, sizeof list - 1}));
    memset(values + 2, 'v', sizeof values - 3);
    milter_macros_write(&macros, MILTER_MAIL, 'M', (struct slice){values, sizeof values}, &output);
    assert_in_range(output.len, MILTER_EVENT_MAX, MILTER_DATA_MAX - MILTER_EVENT_MAX);
}

static void test_header(void **state)
{
    /* clang-format off */
    static const char *const rows[][LINES_MAX] = {
        {PLAIN, DATA, "H A: b\nC:d\nE:  f\n g:\n\th\nI:\n j\nK \t:l\n", "> L A|b|", "< c",
         "> L C|d|", "< c", "> L E| f\n g:\n\th|", "< p", "= progress", "< c", "> L I|\n j|", "< c",
         "> L K|l|", "< c", "= header continue", "H M: n\n", "> L M|n|", "< c", "= header continue",
         EOH},
        /* with the space, and without replies: many in one go */
        {HELO, "< O #6#0#1048704", "> H a|", "< c", "= helo continue", DATA, "H A: b\nC:\td\n",
         "> L A| b|", "> L C|\td|", "= header continue", EOH},
        {HELO, "< O #6#0#32", "> H a|", "< c", "= helo continue", DATA, "H A: b\n",
         "= header continue", EOH},
        /* enough of it */
        {PLAIN, DATA, "H A: b\nC: d\n", "> L A|b|", "< s", "= header continue", "H E: f\n",
         "= header continue", EOH, "E end", "> E ", "< c", "= end continue", DATA, "H A: b\n",
         "> L A|b|", "< r", "= header reject", "H C: d\n", "= idle disorder", "E!"},
        {PLAIN, DATA, "H A: b\nC: d\n", "> L A|b|", "< y 554 5.7.1 No|",
         "= header reject 554 5.7.1 No"},
        {PLAIN, DATA, "H what\nA: b", "> L A|b|", "< c", "= header continue"},
        {PLAIN, DATA, "H what\n", "= header continue", EOH},
        {PLAIN, "H a: b\n", "= idle disorder", "E!", "E mail <>|", "= idle closed", "E!"},
        {"H a: b\n", "= idle disorder", "E!"},
    };
    /* clang-format on */

    (void)state;
    RUN(rows);
}

static void test_body(void **state)
{
    /* clang-format off */
    static const char *const rows[][LINES_MAX] = {
        {PLAIN, DATA, EOH, "B a\n\nb\n", "> B a\r\n\r\nb\r\n", "< c", "= body continue", "B c",
         "> B c", "< c", "= body continue", "E end", "> E ", "< c", "= end continue"},
        {LIKE_RSPAMD, "E data", "> T ", "= data continue", "H a:\n", "> L a||", "= header continue",
         "E eoh", "> N ", "= eoh continue", "B a\n", "> B a\r\n", "= body continue", "E end",
         "> E ", "< c", "= end continue"},
        {HELO, "< O #6#0#16", "> H a|", "< c", "= helo continue", DATA, EOH, "B a\n",
         "= body continue", "E end", "> E ", "< p", "= progress", "< p", "= progress", "< a",
         "= end accept"},
        {PLAIN, DATA, EOH, "B a\n", "> B a\r\n", "< s", "= body continue", "B a\n",
         "= body continue", "E end", "> E ", "< s", "= end continue", DATA, EOH, "B a\n",
         "> B a\r\n", "< d", "= body discard", "E abort", "> A ", DATA},
        {PLAIN, DATA, "B a\n", "= idle disorder", "E!"},
        {PLAIN, DATA, "E end", "= idle disorder", "E!"},
        {PLAIN, DATA, EOH, "E abort", "> A ", "B a\n", "= idle disorder", "E!"},
        {PLAIN, "E eoh", "= idle disorder", "E!"},
        {PLAIN, DATA, EOH, "B a\n", "> B a\r\n", "Q", "E!"}, /* in the middle of something */
    };
    /* clang-format on */

    (void)state;
    RUN(rows);
}

static void test_recipients(void **state)
{
    /* clang-format off */
    static const char *const rows[][LINES_MAX] = {
        {PLAIN, "X rcpt <a@b>| + i|ID|", "= rcpt continue"},
        {HELO, "< O #6#0#2048", "> H a|", "< c", "= helo continue", "X rcpt <a@b>| + i|ID|",
         "> D Ri|ID|", "> R <a@b>|", "< r", "= rcpt reject", "E rcpt <c@d>|", "> R <c@d>|"},
        {PLAIN, "E rcpt <a@b>|", "> R <a@b>|", "< s", "= rcpt continue", "E rcpt <c@d>|",
         "= rcpt continue", "E mail <>|", "> M <>|", "< c", "= mail continue", "E rcpt <c@d>|",
         "> R <c@d>|"},
        {HELO, "< O #6#0#0", "> H a|", "< d", "= helo discard"},
        {PLAIN, "E mail <>|", "> M <>|", "< d", "= mail discard"},
        {"E bogus", "= idle disorder", "E!"},
        {"E negotiate", "= idle disorder", "E!"},
        {"E body", "= idle disorder", "E!"},
        {"E idle", "= idle disorder", "E!"},
        {"E mail <>", "= idle disorder", "E!"}, /* no NUL */
        {"E mail <>| + i|ID", "= idle disorder", "E!"},
    };
    /* clang-format on */

    (void)state;
    RUN(rows);
}

static void test_changes(void **state)
{
    /* clang-format off */
    static const char *const rows[][LINES_MAX] = {
        {AT_END, "< h X-Spam|yes|", "< i #0A|b|", "< m #2A|c|", "< m #0A||", "< + <a@b>|",
         "< 2 c@d|NOTIFY=NEVER|", "< - <e@f>|", "< e <>|", "< q why|", "< p", "< c",
         "= add 0 X-Spam| yes", "= insert 0 A| b", "= change 2 A| c", "= change 1 A|",
         "= add-rcpt 0 |a@b", "= add-rcpt 0 |c@d", "= delete 0 |e@f", "= sender 0 |",
         "= quarantine 0 |why", "= progress", "= end continue"},
        {AT_END, "< b a\r\nb", "< b ", "< b \r\nc\n", "< a", "= body 0 |a\nb", "= body 0 |",
         "= body 0 |\nc\n", "= end accept"},
        {AT_END, "< b a\r", "< b \nb", "< y 550 5.7.1 No|", "= body 0 |a", "= body 0 |\nb",
         "= end reject 550 5.7.1 No"},
        {AT_END, "< b a", "= body 0 |a", "< h A|b|", "= add 0 A| b", "< b c", "= end bad-change",
         "E!"},
        {AT_END, "< b a\r", "= body 0 |a", "< p", "= progress", "< b \nc", "= body 0 |\nc", "< c",
         "= end continue"},
        {AT_END, "< b a\r", "= body 0 |a", "< c", "= end malformed", "E!"},
        {AT_END, "< b a\rb", "= end bad-change", "E!"},
        {AT_END, "< b a|b", "= body 0 |a", "< c", "= end continue"}, /* NUL and the rest are there, too */
        {AT_END, "< h A|b\nX: y|", "= end bad-change", "E!"},
        {AT_END, "< h A|b|", "= add 0 A| b", "Z", "= end closed", "E!"},
        {AT_END, "< h A|b|", "= add 0 A| b", "<< #20h", "Z", "= end closed", "E!"},
        /* the next message begins anew */
        {AT_END, "< b a", "= body 0 |a", "< c", "= end continue", DATA, EOH, "E end", "> E ",
         "< b b", "= body 0 |b", "< c", "= end continue"},
        /* with the space after the colon as it is */
        {HELO, "< O #6#511#1048576", "> H a|", "< c", "= helo continue", DATA, EOH, "E end", "> E ",
         "< h A|b|", "= add 0 A|b", "< i #3A|  b|", "= insert 3 A|  b", "< m #1A| |",
         "= change 1 A| "},
    };
    /* clang-format on */

    (void)state;
    RUN(rows);
}

/* A change needs an action that was negotiated. */
static void test_actions(void **state)
{
    static const struct {
        uint32_t action;
        const char *change, *due;
    } rows[] = {
        {MILTER_MAY_ADD_FIELDS, "< h A|b|", "= add 0 A| b"},
        {MILTER_MAY_ADD_FIELDS, "< i #1A|b|", "= insert 1 A| b"},
        {MILTER_MAY_CHANGE_FIELDS, "< m #1A|b|", "= change 1 A| b"},
        {MILTER_MAY_CHANGE_BODY, "< b x", "= body 0 |x"},
        {MILTER_MAY_ADD_RCPT, "< + a@b|", "= add-rcpt 0 |a@b"},
        {MILTER_MAY_ADD_RCPT_WITH, "< 2 a@b|", "= add-rcpt 0 |a@b"},
        {MILTER_MAY_DELETE_RCPT, "< - a@b|", "= delete 0 |a@b"},
        {MILTER_MAY_CHANGE_SENDER, "< e a@b|", "= sender 0 |a@b"},
        {MILTER_MAY_QUARANTINE, "< q x|", "= quarantine 0 |x"},
    };
    char answer[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int may = 0; may < 2; may++) {
            uint32_t actions = may ? rows[i].action : MILTER_ALL_ACTIONS & ~rows[i].action;
            const char *const lines[] = {HELO,
                                         answer,
                                         "> H a|",
                                         "< c",
                                         "= helo continue",
                                         DATA,
                                         EOH,
                                         "E end",
                                         "> E ",
                                         rows[i].change,
                                         may ? rows[i].due : "= end bad-change",
                                         may ? NULL : "E!",
                                         NULL};
            snprintf(answer, sizeof answer, "< O #6#%u#0", actions);
            run(lines, -1);
            run(lines, 0);
        }
}

/* ---- large ones ------------------------------------------------------------------------------ */

static void talk(const char *const *lines)
{
    run(lines, 0);
    got[0] = '\0';
}

/* A field that is longer than a packet is cut for the filter. */
static void test_long_field(void **state)
{
    static const char *const lines[] = {PLAIN, DATA, NULL};

    (void)state;
    talk(lines);
    message.type = WALL_MILTER_HEADER;
    turn.body_len = WALL_TEXT_MAX;
    memset(message.text, 'v', WALL_TEXT_MAX);
    memcpy(message.text, "Name: ", 6);
    milter_request(&milter, &turn);
    assert_int_equal(turn.output_len, MILTER_BUFFER_SIZE);
    assert_memory_equal(buffer, "\0\1\0\0LName\0v", 11);
    assert_int_equal(buffer[turn.output_len - 1], '\0');
    assert_int_equal(milter.state, MILTER_WAITING);
    memset(message.text, 'n', WALL_TEXT_MAX);
    message.text[WALL_TEXT_MAX - 1] = ':';
    milter.state = MILTER_QUIET;
    milter.within = MILTER_DATA;
    milter_request(&milter, &turn);
    assert_int_equal(turn.output_len, MILTER_BUFFER_SIZE);
}

/* Fields without replies fill as many packets as there is room for, and then others. */
static void test_many_fields(void **state)
{
    static const char *const lines[] = {LIKE_RSPAMD, "E data", "> T ", "= data continue", NULL};
    size_t fields = 0;

    (void)state;
    talk(lines);
    message.type = WALL_MILTER_HEADER;
    turn.body_len = WALL_TEXT_MAX;
    for (size_t i = 0; i < WALL_TEXT_MAX; i += 4)
        memcpy(message.text + i, "a:b\n", 4);
    milter_request(&milter, &turn);
    for (;;) {
        assert_in_range(turn.output_len, 1, MILTER_BUFFER_SIZE);
        for (size_t i = 0; i < turn.output_len; i += 9)
            assert_memory_equal(buffer + i, "\0\0\0\5La\0b\0", 9);
        fields += turn.output_len / 9;
        if (milter.state != MILTER_SENDING)
            break;
        milter_go(&milter, &turn);
    }
    assert_int_equal(fields, WALL_TEXT_MAX / 4);
    assert_true(turn.send);
}

/* A whole new body in one packet comes in pieces; another packet of that size is a fault. */
static void test_long_packets(void **state)
{
    static const char *const lines[] = {AT_END, NULL};
    static char body[200000];
    size_t got_len = 0, fed = 0;

    (void)state;
    talk(lines);
    memset(body, 'x', sizeof body);
    memcpy(body,
           "\0\3\x0d\x3c"
           "b",
           5);
    while (fed < sizeof body) {
        fed += milter_feed(&milter, (struct slice){body + fed, sizeof body - fed}, &turn);
        assert_true(turn.send);
        assert_int_equal(message.type, WALL_MILTER_CHANGE);
        assert_in_range(turn.body_len, 17, sizeof message.milter_change);
        got_len += turn.body_len - offsetof(struct wall_milter_change, strings);
    }
    assert_int_equal(got_len, sizeof body - 5);
    assert_int_equal(milter.state, MILTER_WAITING);
    milter_feed(&milter, (struct slice){"\0\1\0\1h", 5}, &turn);
    assert_int_equal(message.milter_reply.fault, MILTER_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_macros),
        cmocka_unit_test(test_lists_of_macros_are_bounded),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_long_field),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_long_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
