/*
 * hand_client: what a hand says to a hop, and to the back. Each conversation is a table of lines:
 *
 *   H text   the hop sends a line; h text: these bytes, without a line end; Z: it hangs up
 *   M sender [parameters], R recipient, D, T text, ".", X: the back asks for MAIL (with SIZE, and
 * `e` for 8BITMIME, `u` for SMTPUTF8, `t` for REQUIRETLS), RCPT, DATA, sends text, a dot, asks for
 * RSET; -: it asks for nothing else; Q: it needs the hop no longer; W: it asks to begin C text the
 * hand must send this line; A answer: it must tell the back this; E: it must end
 *
 * What the hop sends is fed in one piece, byte by byte, and in two pieces, cut at every byte.
 */
#include "../../smtpd/hand/client.h"
#include "cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINES_MAX = 40, LOG_MAX = 8192, INPUT_MAX = 8192 };

static struct client client;
static struct client_step step;
static struct wall_message message;
static char input[INPUT_MAX]; /* of the hop, not yet fed */
static size_t input_len;
static char got[LOG_MAX], due[LOG_MAX];
static bool ended;

static void note(char *log, const char *format, ...)
{
    size_t len = strlen(log);
    va_list arguments;

    va_start(arguments, format);
    int more = vsnprintf(log + len, LOG_MAX - len, format, arguments);
    va_end(arguments);
    assert_in_range(more, 0, LOG_MAX - len - 1);
}

static void note_reply(const struct wall_hop_reply *reply)
{
    static const char *const steps[HOP_STEPS] = {
        [HOP_GREETING] = "greeting", [HOP_HELLO] = "hello", [HOP_RESET] = "rset",
        [HOP_MAIL] = "mail",         [HOP_RCPT] = "rcpt",   [HOP_DATA] = "data",
        [HOP_TEXT] = "text",         [HOP_DOT] = "dot",     [HOP_IDLE] = "idle",
    };
    static const char *const faults[HOP_FAULTS] = {
        [HOP_SAID] = "",        [HOP_CLOSED] = " closed",     [HOP_MALFORMED] = " malformed",
        [HOP_AHEAD] = " ahead", [HOP_DISORDER] = " disorder",
    };

    assert_in_range(reply->step, HOP_GREETING, HOP_IDLE);
    assert_in_range(reply->fault, HOP_SAID, HOP_DISORDER);
    note(got, "A %s%s", steps[reply->step], faults[reply->fault]);
    if (reply->code != 0)
        note(got, " %u", reply->code);
    note(got, "%s%s%s%s\n", reply->status[0] != '\0' ? " " : "", reply->status,
         reply->text[0] != '\0' ? " " : "", reply->text);
}

static void note_ready(const struct wall_hop_ready *ready)
{
    static const char *const names[] = {"pipelining", "8bitmime", "smtputf8", "size", "requiretls"};

    note(got, "A ready");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (ready->extensions & 1u << i)
            note(got, " %s", names[i]);
    if (ready->size != 0)
        note(got, " %llu", (unsigned long long)ready->size);
    if (ready->host[0] != '\0')
        note(got, " %s %s %s %s", ready->host, ready->protocol, ready->cipher,
             ready->verified ? "verified" : "unverified");
    note(got, "\n");
}

/* Carries out a step, as hand.c does. */
static void carry_out(void)
{
    struct slice output = {step.output, step.output_len};

    assert_true(step.output_len <= sizeof step.output);
    assert_true(output.len == 0 || slice_ends(output, "\r\n"));
    if (step.send && message.type == WALL_HOP_REPLY)
        note_reply(&message.hop_reply);
    else if (step.send)
        note_ready(&message.hop_ready);
    while (output.len > 0) {
        struct slice line = slice_cut(&output, '\n');
        assert_true(slice_ends(line, "\r"));
        note(got, "C %.*s\n", (int)line.len - 1, line.at);
    }
    if (step.close)
        note(got, "E\n");
    ended = step.close;
}

static void feed(size_t from, size_t to)
{
    while (from < to && !ended) {
        size_t used = client_feed(&client, (struct slice){input + from, to - from}, &step);
        assert_in_range(used, 1, to - from);
        from += used;
        carry_out();
    }
}

/* Feeds what the hop has sent (cuts.h). */
static bool feed_cut(long cut)
{
    bool is_cut = feed_in_pieces(input_len, cut, feed);

    input_len = 0;
    return is_cut;
}

static void take_input(const char *text, const char *line_end)
{
    size_t len = strlen(text), end_len = strlen(line_end);

    assert_true(input_len + len + end_len < sizeof input);
    memcpy(input + input_len, text, len);
    memcpy(input + input_len + len, line_end, end_len);
    input_len += len + end_len;
}

static void set_address(struct address *address, const char *text)
{
    *address = (struct address){0};
    if (*text != '\0')
        assert_int_equal(address_parse(slice_of(text), address), ADDRESS_OK);
}

static void set_mail(const char *text)
{
    const char *parameters = strchr(text, ' ');
    char sender[ADDRESS_TEXT_MAX];

    snprintf(sender, sizeof sender, "%.*s",
             (int)(parameters == NULL ? strlen(text) : (size_t)(parameters - text)), text);
    message.hop_mail = (struct wall_hop_mail){0};
    set_address(&message.hop_mail.sender, sender);
    if (parameters == NULL)
        return;
    message.hop_mail.eight_bit = strchr(parameters, 'e') != NULL;
    message.hop_mail.utf8 = strchr(parameters, 'u') != NULL;
    message.hop_mail.require_tls = strchr(parameters, 't') != NULL;
    message.hop_mail.size = strtoull(parameters + 1, NULL, 10);
}

static void ask(const char *line)
{
    const char *text = line[1] == ' ' ? line + 2 : "";
    static const struct {
        char letter;
        enum wall_type type;
    } types[] = {{'M', WALL_HOP_MAIL}, {'R', WALL_HOP_RCPT}, {'D', WALL_HOP_DATA},
                 {'T', WALL_TEXT},     {'.', WALL_HOP_DOT},  {'X', WALL_HOP_RESET},
                 {'W', WALL_HOP}};

    message.type = WALL_NONE;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].letter == *line)
            message.type = types[i].type;
    assert_int_not_equal(message.type, WALL_NONE);
    assert_false(client_is_busy(&client));
    if (*line == 'M')
        set_mail(text);
    else if (*line == 'R')
        set_address(&message.address, text);
    client_request(&client, &step);
    if (*line == 'T' && !step.close) {
        char out[1024];
        size_t made, read = hop_text_feed(&client.text, slice_of(text), out, sizeof out, &made);
        assert_int_equal(read, strlen(text));
    }
    carry_out();
}

static void begin(bool lmtp)
{
    struct wall_hop hop = {.hello = "id.hop.mx.example", .lmtp = lmtp};

    step.message = &message;
    memset(&client, 0xff, sizeof client);
    client_begin(&client, &hop, &step);
    ended = false;
    input_len = 0;
    got[0] = due[0] = '\0';
    carry_out();
}

/* Returns whether there is a later cut. */
static bool converse(const char *const *lines, bool lmtp, long cut)
{
    bool more = false;

    begin(lmtp);
    for (; *lines != NULL; lines++) {
        const char *text = (*lines)[0] != '\0' && (*lines)[1] == ' ' ? *lines + 2 : "";
        if (strchr("CAE", **lines) != NULL) {
            note(due, "%s\n", *lines);
            continue;
        }
        if (**lines == 'H' || **lines == 'h') {
            take_input(text, **lines == 'H' ? "\r\n" : "");
            if (lines[1] != NULL && (lines[1][0] == 'H' || lines[1][0] == 'h'))
                continue;
            more = feed_cut(cut) || more;
            continue;
        }
        assert_false(ended);
        if (**lines == 'Z')
            client_closed(&client, &step);
        else if (**lines == 'Q')
            client_quit(&client, &step);
        else if (**lines == '-')
            client_rest(&client, &step);
        else {
            ask(*lines);
            continue;
        }
        carry_out();
    }
    return more;
}

#define PLAIN "H 220 mx ready", "C EHLO id.hop.mx.example", "H 250 mx", "A ready"
#define PIPELINED                                                                                  \
    "H 220 mx ready", "C EHLO id.hop.mx.example", "H 250-mx", "H 250 PIPELINING",                  \
        "A ready pipelining"
#define LMTP                                                                                       \
    "H 220 mx ready", "C LHLO id.hop.mx.example", "H 250-mx", "H 250 PIPELINING",                  \
        "A ready pipelining"
#define ACCEPTED                                                                                   \
    "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>", "C RCPT TO:<r@b.example>",      \
        "H 250 2.1.0 ok", "H 250 2.1.5 yes", "A rcpt 250 2.1.5 yes"
#define IN_TEXT ACCEPTED, "D", "C DATA", "H 354 go on", "A data 354 go on", "T a\n"

static const struct conversation {
    const char *name;
    bool lmtp;
    const char *lines[LINES_MAX];
} conversations[] = {
    /* Messages */
    {"one message",
     false,
     {PLAIN,
      "M s@a.example",
      "R r@b.example",
      "C MAIL FROM:<s@a.example>",
      "H 250 ok",
      "C RCPT TO:<r@b.example>",
      "H 250 ok",
      "A rcpt 250 2.0.0 ok",
      "D",
      "C DATA",
      "H 354 go",
      "A data 354 go",
      "T a\n",
      "T .b\nc",
      ".",
      "C ",
      "C .",
      "H 250 2.6.0 queued",
      "A dot 250 2.6.0 queued",
      "Q",
      "C QUIT",
      "E"}},
    {"pipelined", false, {PIPELINED, IN_TEXT, ".", "C .", "H 250 ok", "A dot 250 2.0.0 ok"}},
    {"two messages, pipelined",
     false,
     {PIPELINED, IN_TEXT, ".", "C .", "H 250 ok", "A dot 250 2.0.0 ok", "X", "M t@a.example",
      "R q@b.example", "C RSET", "C MAIL FROM:<t@a.example>", "C RCPT TO:<q@b.example>", "H 250 ok",
      "H 250 ok", "H 251 ok", "A rcpt 251 2.0.0 ok"}},
    {"two messages",
     false,
     {PLAIN, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>", "H 250 ok",
      "C RCPT TO:<r@b.example>", "H 250 ok", "A rcpt 250 2.0.0 ok", "X", "X", "M t@a.example",
      "R q@b.example", "C RSET", "H 250 ok", "C MAIL FROM:<t@a.example>", "H 250 ok",
      "C RCPT TO:<q@b.example>", "H 250 ok", "A rcpt 250 2.0.0 ok"}},
    {"a transaction is never left open",
     false,
     {PIPELINED, ACCEPTED, "M t@a.example", "R q@b.example", "C RSET", "C MAIL FROM:<t@a.example>",
      "C RCPT TO:<q@b.example>"}},
    {"RSET at once, if nothing else is asked for",
     false,
     {PLAIN, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>", "H 250 ok",
      "C RCPT TO:<r@b.example>", "H 250 ok", "A rcpt 250 2.0.0 ok", "X", "-", "C RSET", "H 250 ok",
      "-", "M t@a.example", "R q@b.example", "C MAIL FROM:<t@a.example>"}},
    {"nothing is due",
     false,
     {PIPELINED, "-", IN_TEXT, "-", ".", "C .", "H 250 ok", "A dot 250 2.0.0 ok", "-", "Q",
      "C QUIT", "E"}},
    {"QUIT right after RSET", false, {PIPELINED, ACCEPTED, "X", "-", "C RSET", "Q", "C QUIT", "E"}},
    {"no QUIT before the reply to RSET", false, {PLAIN, "X", "-", "C RSET", "Q", "E"}},
    {"recipients one by one",
     false,
     {PIPELINED, ACCEPTED, "R x@b.example", "C RCPT TO:<x@b.example>", "H 550-5.1.1 no",
      "H 550 5.1.1 such user", "A rcpt 550 5.1.1 no such user", "R y@b.example",
      "C RCPT TO:<y@b.example>", "H 452 4.5.3 later", "A rcpt 452 4.5.3 later", "D", "C DATA"}},
    {"no recipient, then RSET",
     false,
     {PIPELINED, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 250 ok", "H 550 no", "A rcpt 550 5.0.0 no", "X",
      "M s@a.example", "R r@b.example", "C RSET", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>"}},
    {"DATA refused",
     false,
     {PIPELINED, ACCEPTED, "D", "C DATA", "H 451 4.3.0 not now", "A data 451 4.3.0 not now", "X",
      "M s@a.example", "R r@b.example", "C RSET", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>"}},
    {"the text refused",
     false,
     {PIPELINED, IN_TEXT, ".", "C .", "H 554 5.7.1 spam", "A dot 554 5.7.1 spam", "M s@a.example",
      "R r@b.example", "C MAIL FROM:<s@a.example>", "C RCPT TO:<r@b.example>"}},
    {"null sender, quoted names",
     false,
     {PIPELINED, "M ", "R \"a b\"@b.example", "C MAIL FROM:<>", "C RCPT TO:<\"a b\"@b.example>"}},
    {"hung up by the back", false, {PIPELINED, ACCEPTED, "Q", "C QUIT", "E"}},
    {"hung up by the back in the text", false, {PIPELINED, IN_TEXT, "Q", "E"}},
    {"hung up by the back after the dot", false, {PIPELINED, IN_TEXT, ".", "C .", "Q", "E"}},
    {"hung up by the back before a reply", false, {PIPELINED, ACCEPTED, "D", "C DATA", "Q", "E"}},
    /* MAIL refused */
    {"MAIL refused",
     false,
     {PLAIN, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>", "H 450 4.7.1 later",
      "A mail 450 4.7.1 later", "R q@b.example", "C MAIL FROM:<s@a.example>", "H 250 ok",
      "C RCPT TO:<q@b.example>", "H 250 ok", "A rcpt 250 2.0.0 ok"}},
    {"MAIL refused, pipelined",
     false,
     {PIPELINED, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 550 5.7.1 not you", "H 503 5.5.1 need MAIL",
      "A mail 550 5.7.1 not you", "R q@b.example", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<q@b.example>"}},
    {"MAIL refused, a recipient accepted",
     false,
     {PIPELINED, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 550 no", "H 250 ok", "A rcpt malformed 250 2.0.0 ok", "E"}},
    {"MAIL refused, then hung up",
     false,
     {PIPELINED, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 421 4.7.0 busy", "Z", "A mail 421 4.7.0 busy", "E"}},
    {"MAIL refused, new MAIL",
     false,
     {PIPELINED, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 550 no", "H 503 no", "A mail 550 5.0.0 no", "X",
      "M t@a.example", "R r@b.example", "C RSET", "C MAIL FROM:<t@a.example>",
      "C RCPT TO:<r@b.example>", "H 250 ok", "H 250 ok", "H 250 ok", "A rcpt 250 2.0.0 ok"}},
    /* Greetings */
    {"greeting of lines",
     false,
     {"H 220-mx ready", "H 220-and", "H 220 willing", "C EHLO id.hop.mx.example"}},
    {"greeting deferred", false, {"H 450 4.3.2 full", "A greeting 450 4.3.2 full", "C QUIT", "E"}},
    {"greeting refused",
     false,
     {"H 554 no SMTP here", "A greeting 554 5.0.0 no SMTP here", "C QUIT", "E"}},
    {"greeting 421", false, {"H 421 4.4.5 busy", "A greeting 421 4.4.5 busy", "E"}},
    {"no greeting", false, {"Z", "A greeting closed", "E"}},
    {"greeting cut", false, {"h 220 mx", "Z", "A greeting closed", "E"}},
    {"greeting 354", false, {"H 354 go on", "A greeting malformed 354 go on", "E"}},
    {"HELO",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 500-PIPELINING", "H 500 PIPELINING",
      "C HELO id.hop.mx.example", "H 250-mx", "H 250 PIPELINING", "A ready", "M s@a.example 10 eut",
      "R r@b.example", "C MAIL FROM:<s@a.example>"}},
    {"HELO refused",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 502 what", "C HELO id.hop.mx.example", "H 550 no",
      "A hello 550 5.0.0 no", "C QUIT", "E"}},
    {"EHLO deferred",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 450 no", "A hello 450 4.0.0 no", "C QUIT", "E"}},
    {"LHLO refused",
     true,
     {"H 220 mx", "C LHLO id.hop.mx.example", "H 500 what", "A hello 500 5.0.0 what", "C QUIT",
      "E"}},
    {"EHLO, hung up",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 250-mx", "Z", "A hello closed", "E"}},
    /* Extensions */
    {"extensions",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 250-mx SIZE 5", "H 250-pipelining",
      "H 250-Size 1000", "H 250-8BitMIME", "H 250-smtputf8 x", "H 250-AUTH PLAIN", "H 250-",
      "H 250-x", "H 250 RequireTLS", "A ready pipelining 8bitmime smtputf8 size requiretls 1000",
      "M s@a.example 77 eut", "R r@b.example",
      "C MAIL FROM:<s@a.example> SIZE=77 BODY=8BITMIME SMTPUTF8 REQUIRETLS",
      "C RCPT TO:<r@b.example>"}},
    {"extensions that are not asked for",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 250-mx", "H 250-SIZE", "H 250-8BITMIME",
      "H 250-SMTPUTF8", "H 250 REQUIRETLS", "A ready 8bitmime smtputf8 size requiretls",
      "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>"}},
    {"extensions that are not offered",
     false,
     {PLAIN, "M s@a.example 99 eut", "R r@b.example", "C MAIL FROM:<s@a.example>"}},
    {"some parameters",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 250-mx", "H 250-SIZE 0", "H 250 8BITMIME",
      "A ready 8bitmime size", "M s@a.example 5 eut", "R r@b.example",
      "C MAIL FROM:<s@a.example> SIZE=5 BODY=8BITMIME"}},
    {"not extensions",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 250-PIPELINING", "H 250-PIPELININGX",
      "H 250-XSIZE 5", "H 250-8BITMIMES", "H 250-SIZE x", "H 250 SMTPUTF", "A ready size"}},
    {"relay",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 250-mx",
      "H 250-xrelay smtp.example TLS1.3 AES yes", "H 250 XRELAY other.example TLS1.2 DES no",
      "A ready smtp.example TLS1.3 AES verified"}},
    {"relay without TLS",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 250-mx", "H 250 XRELAY smtp.example - - no",
      "A ready smtp.example   unverified"}},
    {"relay malformed",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 250-mx", "H 250-XRELAY", "H 250-XRELAY a b c",
      "H 250-XRELAY a b c maybe", "H 250-XRELAY a b c yes d", "H 250-XRELAY a\x01 b c yes",
      "H 250-XRELAY a 0123456789abcdef c yes", "H 250 XRELAY a 0123456789abcde c no",
      "A ready a 0123456789abcde c unverified"}},
    /* LMTP */
    {"LMTP, three recipients, one twice",
     true,
     {LMTP,
      ACCEPTED,
      "R q@b.example",
      "C RCPT TO:<q@b.example>",
      "H 550 no",
      "A rcpt 550 5.0.0 no",
      "R r@b.example",
      "C RCPT TO:<r@b.example>",
      "H 250 ok",
      "A rcpt 250 2.0.0 ok",
      "D",
      "C DATA",
      "H 354 go",
      "A data 354 go",
      ".",
      "C .",
      "H 250-2.0.0 one",
      "H 250 is in",
      "H 552 5.2.2 full",
      "A dot 250 2.0.0 one is in",
      "A dot 552 5.2.2 full",
      "Q",
      "C QUIT",
      "E"}},
    {"LMTP, a reply is missing",
     true,
     {LMTP, ACCEPTED, "R r@b.example", "C RCPT TO:<r@b.example>", "H 250 ok", "A rcpt 250 2.0.0 ok",
      "D", "C DATA", "H 354 go", "A data 354 go", ".", "C .", "H 250 one", "h 250 tw", "Z",
      "A dot 250 2.0.0 one", "A dot closed", "E"}},
    {"LMTP, 421 for the first",
     true,
     {LMTP, ACCEPTED, "R r@b.example", "C RCPT TO:<r@b.example>", "H 250 ok", "A rcpt 250 2.0.0 ok",
      "D", "C DATA", "H 354 go", "A data 354 go", ".", "C .", "H 421 one", "H 421 two",
      "A dot 421 4.0.0 one", "A dot 421 4.0.0 two", "E"}},
    {"LMTP, a reply too many",
     true,
     {LMTP, IN_TEXT, ".", "C .", "H 250 one", "H 250 two", "A dot 250 2.0.0 one",
      "A idle ahead 250 2.0.0 two", "E"}},
    /* 421, and hanging up */
    {"421 for a recipient",
     false,
     {PIPELINED, ACCEPTED, "R q@b.example", "C RCPT TO:<q@b.example>", "H 421-4.7.0 too",
      "H 421 many", "A rcpt 421 4.7.0 too many", "E"}},
    {"421 for the dot",
     false,
     {PIPELINED, IN_TEXT, ".", "C .", "H 421 4.3.2 stopping", "A dot 421 4.3.2 stopping", "E"}},
    {"421 in the pause",
     false,
     {PIPELINED, "H 421 4.4.2 idle", "A idle closed 421 4.4.2 idle", "E"}},
    {"421 for RSET",
     false,
     {PIPELINED, "X", "M s@a.example", "R r@b.example", "C RSET", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 421 4.4.2 idle", "A rset closed 421 4.4.2 idle", "E"}},
    {"hung up in the pause", false, {PIPELINED, "Z", "A idle closed", "E"}},
    {"hung up before the reply to RCPT",
     false,
     {PIPELINED, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 250 ok", "Z", "A rcpt closed", "E"}},
    {"hung up after DATA", false, {PIPELINED, ACCEPTED, "D", "C DATA", "Z", "A data closed", "E"}},
    {"hung up in the text", false, {PIPELINED, IN_TEXT, "Z", "A text closed", "E"}},
    {"hung up after the dot", false, {PIPELINED, IN_TEXT, ".", "C .", "Z", "A dot closed", "E"}},
    {"hung up in the last reply",
     false,
     {PIPELINED, IN_TEXT, ".", "C .", "h 250 2.0.0 ok\r", "Z", "A dot closed", "E"}},
    {"hung up before the last line",
     false,
     {PIPELINED, IN_TEXT, ".", "C .", "H 250-2.0.0 ok", "Z", "A dot closed", "E"}},
    /* In the text: the dot is never sent */
    {"552 in the text",
     false,
     {PIPELINED, IN_TEXT, "H 552 5.3.4 too large", "A text ahead 552 5.3.4 too large", "E"}},
    {"421 in the text",
     false,
     {PIPELINED, IN_TEXT, "H 421 4.4.2 too slow", "A text closed 421 4.4.2 too slow", "E"}},
    {"250 in the text", false, {PIPELINED, IN_TEXT, "H 250 ok", "A text ahead 250 2.0.0 ok", "E"}},
    {"a part of a reply before the dot",
     false,
     {PIPELINED, IN_TEXT, "h 2", ".", "A text ahead", "E"}},
    {"a line of a reply before the dot",
     false,
     {PIPELINED, IN_TEXT, "H 250-ok", ".", "A text ahead", "E"}},
    {"a part of a reply before more text",
     false,
     {PIPELINED, IN_TEXT, "h 25", "T b\n", "A text ahead", "E"}},
    {"a part of a reply before DATA",
     false,
     {PIPELINED, ACCEPTED, "h 354 go\r", "D", "A idle ahead", "E"}},
    {"a part of a reply before RCPT",
     false,
     {PIPELINED, "h 25", "M s@a.example", "A idle ahead", "E"}},
    {"354 before DATA", false, {PIPELINED, ACCEPTED, "H 354 go on", "A idle ahead 354 go on", "E"}},
    {"250 before MAIL", false, {PIPELINED, "H 250 ok", "A idle ahead 250 2.0.0 ok", "E"}},
    /* Not what is to be said */
    {"250 for DATA",
     false,
     {PIPELINED, ACCEPTED, "D", "C DATA", "H 250 ok", "A data malformed 250 2.0.0 ok", "E"}},
    {"355 for DATA",
     false,
     {PIPELINED, ACCEPTED, "D", "C DATA", "H 355 ok", "A data malformed 355 ok", "E"}},
    {"354 for the dot",
     false,
     {PIPELINED, IN_TEXT, ".", "C .", "H 354 go on", "A dot malformed 354 go on", "E"}},
    {"354 for RCPT",
     false,
     {PIPELINED, ACCEPTED, "R q@b.example", "C RCPT TO:<q@b.example>", "H 354 go on",
      "A rcpt malformed 354 go on", "E"}},
    {"354 for MAIL",
     false,
     {PLAIN, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>", "H 354 go on",
      "A mail malformed 354 go on", "E"}},
    {"354 for EHLO",
     false,
     {"H 220 mx", "C EHLO id.hop.mx.example", "H 354 go on", "A hello malformed 354 go on", "E"}},
    {"RSET refused",
     false,
     {PIPELINED, "X", "M s@a.example", "R r@b.example", "C RSET", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 500 what", "A rset malformed 500 5.0.0 what", "E"}},
    {"another code in the last line",
     false,
     {PIPELINED, IN_TEXT, ".", "C .", "H 250-ok", "H 550 no", "A dot malformed 550 no", "E"}},
    /* The back out of order */
    {"no MAIL", false, {PIPELINED, "R r@b.example", "A idle disorder", "E"}},
    {"no RCPT", false, {PIPELINED, "M s@a.example", "D", "A idle disorder", "E"}},
    {"no recipient",
     false,
     {PIPELINED, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>",
      "C RCPT TO:<r@b.example>", "H 250 ok", "H 550 no", "A rcpt 550 5.0.0 no", "D",
      "A idle disorder", "E"}},
    {"DATA after RSET", false, {PIPELINED, ACCEPTED, "X", "D", "A idle disorder", "E"}},
    {"DATA after MAIL", false, {PIPELINED, ACCEPTED, "M s@a.example", "D", "A idle disorder", "E"}},
    {"text without DATA", false, {PIPELINED, ACCEPTED, "T a\n", "A idle disorder", "E"}},
    {"a dot without DATA", false, {PIPELINED, ACCEPTED, ".", "A idle disorder", "E"}},
    {"a dot without 354",
     false,
     {PIPELINED, ACCEPTED, "D", "C DATA", "H 451 no", "A data 451 4.0.0 no", ".", "A idle disorder",
      "E"}},
    {"a second dot",
     false,
     {PIPELINED, IN_TEXT, ".", "C .", "H 250 ok", "A dot 250 2.0.0 ok", ".", "A idle disorder",
      "E"}},
    {"MAIL in the text", false, {PIPELINED, IN_TEXT, "M s@a.example", "A text disorder", "E"}},
    {"RCPT in the text", false, {PIPELINED, IN_TEXT, "R r@b.example", "A text disorder", "E"}},
    {"DATA in the text", false, {PIPELINED, IN_TEXT, "D", "A text disorder", "E"}},
    {"RSET in the text", false, {PIPELINED, IN_TEXT, "X", "A text disorder", "E"}},
    {"a second beginning", false, {PIPELINED, "W", "A idle disorder", "E"}},
};

static void assert_said(const char *name, long cut)
{
    if (strcmp(got, due) != 0)
        fail_msg("%s, cut at %ld:\n%s\ninstead of\n%s", name, cut, got, due);
}

static void every_conversation_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof conversations / sizeof conversations[0]; i++) {
        const struct conversation *row = &conversations[i];
        bool more = true;
        for (long cut = -1; more; cut++) {
            more = converse(row->lines, row->lmtp, cut) || cut < 0;
            assert_said(row->name, cut);
        }
    }
}

/* In one piece: what comes with the reply before it was sent before its command. */
static void replies_ahead_of_their_commands(void **state)
{
    static const struct conversation ahead[] = {
        {"EHLO", false, {"H 220 mx", "H 250 mx", "A hello ahead", "E"}},
        {"HELO",
         false,
         {"H 220 mx", "C EHLO id.hop.mx.example", "H 500 what", "H 250 mx", "A hello ahead", "E"}},
        {"RCPT",
         false,
         {PLAIN, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>", "H 250 ok",
          "H 250 ok", "A rcpt ahead", "E"}},
        {"RCPT, a part",
         false,
         {PLAIN, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>", "H 250 ok", "h 2",
          "A rcpt ahead", "E"}},
        {"MAIL",
         false,
         {PLAIN, "X", "M s@a.example", "R r@b.example", "C RSET", "H 250 ok", "H 250 ok",
          "A mail ahead", "E"}},
        {"the second RCPT",
         false,
         {PIPELINED, "M s@a.example", "R r@b.example", "C MAIL FROM:<s@a.example>",
          "C RCPT TO:<r@b.example>", "H 250 ok", "H 250 ok", "H 250 ok", "A rcpt 250 2.0.0 ok",
          "A idle ahead 250 2.0.0 ok", "E"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ahead / sizeof ahead[0]; i++) {
        converse(ahead[i].lines, ahead[i].lmtp, 0);
        assert_said(ahead[i].name, 0);
    }
}

/* The longest that can be asked fits. */
static void longest_commands(void **state)
{
    struct address *sender = &message.hop_mail.sender;

    (void)state;
    converse((const char *const[]){"H 220 mx", "C EHLO", "H 250-mx", "H 250-SIZE", "H 250-8BITMIME",
                                   "H 250-SMTPUTF8", "H 250-REQUIRETLS", "H 250 PIPELINING", "X",
                                   NULL},
             false, 0);
    message.type = WALL_HOP_MAIL;
    message.hop_mail =
        (struct wall_hop_mail){.size = UINT64_MAX, .eight_bit = 1, .utf8 = 1, .require_tls = 1};
    sender->local_len = ADDRESS_LOCAL_MAX;
    sender->domain_len = ADDRESS_DOMAIN_MAX;
    memset(sender->local, '"', ADDRESS_LOCAL_MAX);
    memset(sender->domain, 'd', ADDRESS_DOMAIN_MAX);
    client_request(&client, &step);
    message.address = client.mail.sender;
    message.type = WALL_HOP_RCPT;
    client_request(&client, &step);
    assert_true(step.output_len < sizeof step.output);
    assert_true(slice_ends((struct slice){step.output, step.output_len}, "d>\r\n"));
    assert_true(
        slice_begins((struct slice){step.output, step.output_len}, "RSET\r\nMAIL FROM:<\"\\\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_conversation_in_every_cut),
        cmocka_unit_test(replies_ahead_of_their_commands),
        cmocka_unit_test(longest_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
