/*
 * command, parameters, and the table of verbs: lines are parsed.
 */
#include "../../smtpd/front/command.h"
#include "../../smtpd/front/parameters.h"
#include "../../smtpd/front/session_verbs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A10 "aaaaaaaaaa"
#define A255                                                                                       \
    A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10    \
        A10 A10 "aaaaa"

static const struct wall_settings settings = {.auth = true, .secure = true};
static struct wall_message message;

static const struct {
    const char *line;
    const char *verb; /* NULL: unknown */
    const char *argument;
} lines[] = {
    {"HELO x", "HELO", "x"},
    {"helo x", "HELO", "x"},
    {"HeLo x", "HELO", "x"},
    {"EHLO x", "EHLO", "x"},
    {"EHLO", "EHLO", ""},
    {"EHLO   x y  ", "EHLO", "x y"},
    {"MAIL FROM:<a@b>", "MAIL", "FROM:<a@b>"},
    {"RCPT TO:<a@b>", "RCPT", "TO:<a@b>"},
    {"DATA", "DATA", ""},
    {"DATA ", "DATA", ""},
    {"DATA   ", "DATA", ""},
    {"DATA x", "DATA", "x"},
    {"rset", "RSET", ""},
    {"vrfy a", "VRFY", "a"},
    {"help mail", "HELP", "mail"},
    {"NOOP ignored", "NOOP", "ignored"},
    {"quit", "QUIT", ""},
    {"EXPN list", "EXPN", "list"},
    {"STARTTLS", "STARTTLS", ""},
    {"AUTH PLAIN =", "AUTH", "PLAIN ="},
    {"BDAT 3 LAST", "BDAT", "3 LAST"},
    {"ETRN x", "ETRN", "x"},
    {"LHLO x", "LHLO", "x"},
    {"SEND FROM:<>", "SEND", "FROM:<>"},
    {"SOML FROM:<>", "SOML", "FROM:<>"},
    {"SAML FROM:<>", "SAML", "FROM:<>"},
    {"TURN", "TURN", ""},
    {"GET / HTTP/1.1", "GET", "/ HTTP/1.1"},
    {"POST / HTTP/1.1", "POST", "/ HTTP/1.1"},
    {"PRI * HTTP/2.0", "PRI", "* HTTP/2.0"},
    {"CONNECT x:25 HTTP/1.1", "CONNECT", "x:25 HTTP/1.1"},
    /* similar to a verb */
    {"", NULL, ""},
    {" ", NULL, ""},
    {" QUIT", NULL, "QUIT"},
    {"QUI", NULL, ""},
    {"QUITX", NULL, ""},
    {"QUIT\tx", NULL, ""},
    {"MAILFROM:<a@b>", NULL, ""},
    {"MAIL\xa0"
     "FROM:<a@b>",
     NULL, ""},
    {"HEL\xcf x", NULL, "x"},
    {"XCLIENT ADDR=192.0.2.1", NULL, "ADDR=192.0.2.1"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2", NULL, "TCP4 192.0.2.1 192.0.2.2 1 2"},
};

static void lines_are_split_into_verb_and_argument(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct command command = command_split(slice_of(lines[i].line));
        const struct verb *verb = session_verb(command.verb);
        const char *name = verb == NULL ? "" : verb->name;
        if (strcmp(name, lines[i].verb == NULL ? "" : lines[i].verb) != 0 ||
            !slice_is(command.argument, lines[i].argument))
            fail_msg("'%s': verb '%s', argument '%.*s'", lines[i].line, name,
                     SLICE(command.argument));
    }
}

/* Each line in all its lengths, in a buffer of this size, so that a sanitizer notices a read past
 * its end. */
static void nothing_after_the_line_is_read(void **state)
{
    static const char line[] = "MAIL FROM:<\"a b\"@example.org> SIZE=1000 BODY=8BITMIME";

    (void)state;
    for (size_t len = 0; len < sizeof line; len++) {
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy + 1, line, len);
        struct command command = command_split((struct slice){copy + 1, len});
        assert_true(command.argument.at >= copy + 1);
        assert_true(command.argument.at + command.argument.len <= copy + 1 + len);
        command_parse_mail(command.argument, &settings, &message);
        command_parse_rcpt(command.argument, false, &settings, &message);
        command_parse_vrfy(command.argument, &message.address);
        free(copy);
    }
}

static const struct {
    const char *argument;
    enum reply reply;
    const char *sender;
    uint64_t size;
} mails[] = {
    {"FROM:<alice@example.org>", REPLY_OK, "alice@example.org", 0},
    {"from:<alice@example.org>", REPLY_OK, "alice@example.org", 0},
    {"FROM: <alice@example.org>", REPLY_OK, "alice@example.org", 0},
    {"FROM:   <alice@example.org>", REPLY_OK, "alice@example.org", 0},
    {"FROM:<>", REPLY_OK, "", 0},
    {"FROM:<\"a > b\"@example.org>", REPLY_OK, "\"a > b\"@example.org", 0},
    {"FROM:<@x.example,@y.example:a@b.example>", REPLY_OK, "a@b.example", 0},
    {"FROM:<a@[IPv6:2001:db8::1]>", REPLY_OK, "a@[IPv6:2001:db8::1]", 0},
    {"FROM:<" A255 "@b>", REPLY_OK, A255 "@b", 0},
    {"FROM:<a" A255 "@b>", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:<alice>", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:<postmaster>", REPLY_BAD_SENDER, NULL, 0},
    /* without brackets */
    {"FROM:alice@example.org", REPLY_OK, "alice@example.org", 0},
    {"FROM: alice@example.org", REPLY_OK, "alice@example.org", 0},
    {"from:a@b  SIZE=1000 BODY=8BITMIME", REPLY_OK, "a@b", 1000},
    {"FROM:\"a,b\"@example.org", REPLY_OK, "\"a,b\"@example.org", 0},
    {"FROM:a..b@example.org", REPLY_OK, "\"a..b\"@example.org", 0},
    {"FROM:m\xc3\xbcller@b SMTPUTF8", REPLY_OK, "m\xc3\xbcller@b", 0},
    {"FROM:m\xc3\xbcller@b", REPLY_ADDRESS_UTF8, NULL, 0},
    {"FROM:alice", REPLY_BAD_SENDER, NULL, 0},
    {"FROM: SIZE=1000", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:@x.example:a@b.example", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:a@b>", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:a@b,c@d", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:\"a b\"@example.org", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:Alice <a@b>", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:a@b c@d", REPLY_SYNTAX, NULL, 0},
    {"FROM:\"\"", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:<a@b>x", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:<a@b>SIZE=1", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:<a@b>>", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:<a@b", REPLY_BAD_SENDER, NULL, 0},
    {"FROM:<m\xc3\xbcller@b>", REPLY_ADDRESS_UTF8, NULL, 0},
    {"FROM:<m\xc3\xbcller@b> SIZE=3", REPLY_ADDRESS_UTF8, NULL, 0},
    {"FROM:<a@\xc3\xbc>", REPLY_ADDRESS_UTF8, NULL, 0},
    {"FROM:<@\xc3\xbc:a@b>", REPLY_ADDRESS_UTF8, NULL, 0},
    {"FROM:<m\xc3\xbcller@\xc3\xbc> SMTPUTF8", REPLY_OK, "m\xc3\xbcller@\xc3\xbc", 0},
    {"FROM:<a@b> SIZE=3 smtputf8 BODY=8BITMIME", REPLY_OK, "a@b", 3},
    {"FROM:<a@b> SMTPUTF8=", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SMTPUTF8 SMTPUTF8", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<m\xfcller@b> SMTPUTF8", REPLY_BAD_SENDER, NULL, 0},
    {"", REPLY_SYNTAX, NULL, 0},
    {"FROM", REPLY_SYNTAX, NULL, 0},
    {"FROM <a@b>", REPLY_SYNTAX, NULL, 0},
    {"FROM :<a@b>", REPLY_SYNTAX, NULL, 0},
    {"TO:<a@b>", REPLY_SYNTAX, NULL, 0},
    {"<a@b>", REPLY_SYNTAX, NULL, 0},
    /* SIZE (RFC 1870) */
    {"FROM:<a@b> SIZE=0", REPLY_OK, "a@b", 0},
    {"FROM:<a@b> SIZE=1000", REPLY_OK, "a@b", 1000},
    {"FROM:<a@b> size=1000", REPLY_OK, "a@b", 1000},
    {"FROM:<a@b>   SIZE=1000", REPLY_OK, "a@b", 1000},
    {"FROM:<> SIZE=1000", REPLY_OK, "", 1000},
    {"FROM:<a@b> SIZE=00000000000000000007", REPLY_OK, "a@b", 7},
    {"FROM:<a@b> SIZE=18446744073709551614", REPLY_OK, "a@b", UINT64_MAX - 1},
    {"FROM:<a@b> SIZE=18446744073709551615", REPLY_OK, "a@b", UINT64_MAX},
    {"FROM:<a@b> SIZE=18446744073709551616", REPLY_OK, "a@b", UINT64_MAX},
    {"FROM:<a@b> SIZE=18446744073709551620", REPLY_OK, "a@b", UINT64_MAX},
    {"FROM:<a@b> SIZE=99999999999999999999", REPLY_OK, "a@b", UINT64_MAX},
    {"FROM:<a@b> SIZE=000000000000000000001", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=-1", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=+1", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=1k", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=0x10", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE==1", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=1=1", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE= 1", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=1 SIZE=1", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=1 size=2", REPLY_BAD_PARAMETER, NULL, 0},
    /* BODY (RFC 6152) */
    {"FROM:<a@b> BODY=7BIT", REPLY_OK, "a@b", 0},
    {"FROM:<a@b> BODY=8BITMIME", REPLY_OK, "a@b", 0},
    {"FROM:<a@b> body=8bitmime SIZE=5", REPLY_OK, "a@b", 5},
    {"FROM:<a@b> SIZE=5 BODY=7bit", REPLY_OK, "a@b", 5},
    {"FROM:<a@b> BODY=BINARYMIME", REPLY_BINARYMIME, NULL, 0},
    {"FROM:<a@b> BODY=", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> BODY", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> BODY=7BIT BODY=7BIT", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> BODY=7BITX", REPLY_BAD_PARAMETER, NULL, 0},
    /* others (RFC 5321 4.1.1.11) */
    /* AUTH (RFC 4954 section 5): xtext */
    {"FROM:<a@b> AUTH=<>", REPLY_OK, "a@b", 0},
    {"FROM:<a@b> AUTH=e+3Dmc2@example.com SIZE=5", REPLY_OK, "a@b", 5},
    {"FROM:<a@b> AUTH=", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> AUTH", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> AUTH=+3d", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> AUTH=+3", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> AUTH=a=b", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> AUTH=<> AUTH=<>", REPLY_BAD_PARAMETER, NULL, 0},
    {"FROM:<a@b> X-y=z", REPLY_UNKNOWN_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZES=1", REPLY_UNKNOWN_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZ=1", REPLY_UNKNOWN_PARAMETER, NULL, 0},
    {"FROM:<a@b> SIZE=1 FOO", REPLY_UNKNOWN_PARAMETER, NULL, 0},
    {"FROM:<a@b> FOO SIZE=x", REPLY_UNKNOWN_PARAMETER, NULL, 0},
    {"FROM:<a@b> =1", REPLY_SYNTAX, NULL, 0},
    {"FROM:<a@b> -X=1", REPLY_SYNTAX, NULL, 0},
    {"FROM:<a@b> X_Y=1", REPLY_SYNTAX, NULL, 0},
    {"FROM:<a@b> <c@d>", REPLY_SYNTAX, NULL, 0},
    {"FROM:<a@b> SIZE=1 \xc3\xbc=1", REPLY_SYNTAX, NULL, 0},
};

static void mail_is_parsed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mails / sizeof mails[0]; i++) {
        const struct wall_mail *mail = &message.mail;
        char written[ADDRESS_TEXT_MAX];
        enum reply reply = command_parse_mail(slice_of(mails[i].argument), &settings, &message);
        if (reply != mails[i].reply)
            fail_msg("MAIL %s: reply %d, not %d", mails[i].argument, (int)reply,
                     (int)mails[i].reply);
        if (reply != REPLY_OK)
            continue;
        address_write(&mail->sender, written);
        if (strcmp(written, mails[i].sender) != 0 || mail->size != mails[i].size)
            fail_msg("MAIL %s: sender %s, size %zu", mails[i].argument, written,
                     (size_t)mail->size);
    }
}

/* Too long a value of AUTH is accepted, but not kept. */
static void authors_are_bounded(void **state)
{
    char argument[600];

    (void)state;
    for (size_t len = WALL_AUTHOR_MAX - 1; len <= WALL_AUTHOR_MAX + 1; len++) {
        size_t kept = len <= WALL_AUTHOR_MAX ? len : 0;
        int begin = sprintf(argument, "FROM:<a@b> BODY=7bit AUTH=");
        memset(argument + begin, 'x', len);
        argument[(size_t)begin + len] = '\0';
        assert_int_equal(command_parse_mail(slice_of(argument), &settings, &message), REPLY_OK);
        assert_int_equal(message.mail.author_len, kept);
        assert_memory_equal(message.mail.author, argument + begin, kept);
        assert_int_equal(message.mail.body, WALL_BODY_7BIT);
    }
}

static const struct {
    const char *argument;
    enum reply reply;
    const char *recipient;
} rcpts[] = {
    {"TO:<alice@example.org>", REPLY_OK, "alice@example.org"},
    {"to: <alice@example.org>", REPLY_OK, "alice@example.org"},
    {"TO:<postmaster>", REPLY_OK, "postmaster"},
    {"TO:<PostMaster>", REPLY_OK, "PostMaster"},
    {"TO:<\"postmaster\">", REPLY_OK, "postmaster"},
    {"TO:<Postmaster@example.org>", REPLY_OK, "Postmaster@example.org"},
    {"TO:<@x.example:a@b.example>", REPLY_OK, "a@b.example"},
    {"TO:<alice>", REPLY_BAD_RECIPIENT, NULL},
    {"TO:<postmasters>", REPLY_BAD_RECIPIENT, NULL},
    {"TO:<>", REPLY_BAD_RECIPIENT, NULL},
    {"TO:alice@example.org", REPLY_OK, "alice@example.org"},
    {"TO:  alice@example.org", REPLY_OK, "alice@example.org"},
    {"TO:postmaster", REPLY_OK, "postmaster"},
    {"TO:a.@b", REPLY_OK, "\"a.\"@b"},
    {"TO:alice", REPLY_BAD_RECIPIENT, NULL},
    {"TO:alice@example.org>", REPLY_BAD_RECIPIENT, NULL},
    {"TO:alice@example.org,bob@example.org", REPLY_BAD_RECIPIENT, NULL},
    {"TO:alice@example.org bob@example.org", REPLY_SYNTAX, NULL},
    {"TO:alice@example.org NOTIFY=NEVER", REPLY_UNKNOWN_PARAMETER, NULL},
    {"TO:<alice@example.org>,<bob@example.org>", REPLY_BAD_RECIPIENT, NULL},
    {"TO:<\xc3\xbc@b>", REPLY_ADDRESS_UTF8, NULL},
    {"TO:<\xfc@b>", REPLY_BAD_RECIPIENT, NULL},
    {"FROM:<alice@example.org>", REPLY_SYNTAX, NULL},
    {"<alice@example.org>", REPLY_SYNTAX, NULL},
    {"", REPLY_SYNTAX, NULL},
    {"TO:<alice@example.org> NOTIFY=NEVER", REPLY_UNKNOWN_PARAMETER, NULL},
    {"TO:<alice@example.org> SIZE=1", REPLY_UNKNOWN_PARAMETER, NULL},
    {"TO:<alice@example.org> =", REPLY_SYNTAX, NULL},
    {"TO:<alice@example.org> <bob@example.org>", REPLY_SYNTAX, NULL},
};

static void rcpt_is_parsed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rcpts / sizeof rcpts[0]; i++) {
        char written[ADDRESS_TEXT_MAX] = "";
        enum reply reply =
            command_parse_rcpt(slice_of(rcpts[i].argument), false, &settings, &message);
        if (reply == REPLY_OK)
            address_write(&message.address, written);
        if (reply != rcpts[i].reply ||
            (reply == REPLY_OK && strcmp(written, rcpts[i].recipient) != 0))
            fail_msg("RCPT %s: reply %d, recipient %s", rcpts[i].argument, (int)reply, written);
    }
}

static const struct {
    const char *argument;
    enum reply reply;
    const char *address;
} vrfys[] = {
    {"alice", REPLY_OK, "alice"},
    {"alice@example.org", REPLY_OK, "alice@example.org"},
    {"<alice@example.org>", REPLY_OK, "alice@example.org"},
    {"<alice>", REPLY_OK, "alice"},
    {"\"a b\"@example.org", REPLY_OK, "\"a b\"@example.org"},
    {"", REPLY_SYNTAX, NULL},
    {"<>", REPLY_SYNTAX, NULL},
    {"<alice@example.org> x", REPLY_SYNTAX, NULL},
    {"alice bob", REPLY_SYNTAX, NULL},
    {"alice@", REPLY_SYNTAX, NULL},
    {"@example.org", REPLY_SYNTAX, NULL},
    {"\"\"@example.org", REPLY_SYNTAX, NULL},
    {"m\xc3\xbcller", REPLY_ADDRESS_UTF8, NULL},
    {"m\xc3\xbcller SMTPUTF8", REPLY_OK, "m\xc3\xbcller"},
    {"<m\xc3\xbcller@\xc3\xbc>  smtputf8", REPLY_OK, "m\xc3\xbcller@\xc3\xbc"},
    {"alice SMTPUTF8", REPLY_OK, "alice"},
    {"SMTPUTF8", REPLY_OK, "SMTPUTF8"},
    {"alice SMTPUTF8 x", REPLY_SYNTAX, NULL},
};

static void vrfy_is_parsed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vrfys / sizeof vrfys[0]; i++) {
        char written[ADDRESS_TEXT_MAX] = "";
        struct address address;
        enum reply reply = command_parse_vrfy(slice_of(vrfys[i].argument), &address);
        if (reply == REPLY_OK)
            address_write(&address, written);
        if (reply != vrfys[i].reply ||
            (reply == REPLY_OK && strcmp(written, vrfys[i].address) != 0))
            fail_msg("VRFY %s: reply %d, address %s", vrfys[i].argument, (int)reply, written);
    }
}

/* Whatever its value; it is not in the syntax either. */
static void parameters_not_offered_are_unknown(void **state)
{
    static const struct {
        struct wall_settings settings;
        const char *mail;
    } rows[] = {
        {{.lmtp = true}, " [SIZE=n] [BODY=7BIT|8BITMIME] [SMTPUTF8]"},
        {{.lmtp = false}, " [SIZE=n] [BODY=7BIT|8BITMIME] [SMTPUTF8] [PRDR]"},
        {{.lmtp = true, .auth = true}, " [SIZE=n] [BODY=7BIT|8BITMIME] [AUTH=address] [SMTPUTF8]"},
        {{.lmtp = true, .secure = true}, " [SIZE=n] [BODY=7BIT|8BITMIME] [REQUIRETLS] [SMTPUTF8]"},
        {{.auth = true, .secure = true},
         " [SIZE=n] [BODY=7BIT|8BITMIME] [AUTH=address] [REQUIRETLS] [SMTPUTF8] [PRDR]"},
    };
    static const char *const conditional[] = {"AUTH", "REQUIRETLS", "PRDR"};
    char text[PARAMETERS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(parameters_syntax("MAIL", &rows[i].settings, text), rows[i].mail);
        assert_string_equal(parameters_syntax("RCPT", &rows[i].settings, text), "");
        for (size_t j = 0; j < sizeof conditional / sizeof conditional[0]; j++) {
            char argument[64];
            snprintf(argument, sizeof argument, "FROM:<a@b> %s=+", conditional[j]);
            enum reply reply = command_parse_mail(slice_of(argument), &rows[i].settings, &message);
            assert_int_equal(reply, strstr(rows[i].mail, conditional[j]) != NULL
                                        ? REPLY_BAD_PARAMETER
                                        : REPLY_UNKNOWN_PARAMETER);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_split_into_verb_and_argument),
        cmocka_unit_test(nothing_after_the_line_is_read),
        cmocka_unit_test(mail_is_parsed),
        cmocka_unit_test(authors_are_bounded),
        cmocka_unit_test(rcpt_is_parsed),
        cmocka_unit_test(vrfy_is_parsed),
        cmocka_unit_test(parameters_not_offered_are_unknown),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
