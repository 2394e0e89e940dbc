/*
 * The parts of mailslot-relay without I/O: offers, the choice of a mechanism, responses with a
 * token, and the tracker of transactions.
 */
#include "../../smtpd/relay/bearer.h"
#include "../../smtpd/relay/offers.h"
#include "../../smtpd/relay/tracker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct offers offers;

static void offer(const char *lines)
{
    struct slice rest = slice_of(lines);

    memset(&offers, 0xff, sizeof offers);
    offers_begin(&offers);
    while (rest.len > 0)
        offers_add(&offers, slice_cut(&rest, '\n'));
}

static const struct offers_facts verified = {"mx.example.org", "smtp.example.net", "TLS1.3",
                                             "TLS_AES_256_GCM_SHA384", true};

static void what_is_passed_on(void **state)
{
    char reply[OFFERS_REPLY_MAX];
    struct offers_facts facts = verified;

    (void)state;
    offer("PIPELINING\nSIZE 1000\nSTARTTLS\nAUTH PLAIN LOGIN\nAUTH=LOGIN\nauth plain\nXRELAY a b c "
          "yes\n"
          "xrelay a\nREQUIRETLS\nXAUTH\n\nA\tB\x7f\nSTARTTLSX");
    size_t len = offers_write(&offers, &facts, reply);
    assert_int_equal(len, strlen(reply));
    assert_string_equal(reply, "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n"
                               "250-REQUIRETLS\r\n250-XAUTH\r\n250-STARTTLSX\r\n"
                               "250 XRELAY smtp.example.net TLS1.3 TLS_AES_256_GCM_SHA384 yes\r\n");
    assert_true(offers.starttls);
    facts.verified = false;
    facts.protocol = facts.cipher = "-";
    offers_write(&offers, &facts, reply);
    assert_null(strstr(reply, "REQUIRETLS"));
    assert_non_null(strstr(reply, "250 XRELAY smtp.example.net - - no\r\n"));
}

/* The shortest lines need the most room in the reply. */
static void too_many_offers(void **state)
{
    static char reply[OFFERS_REPLY_MAX], line[OFFERS_MAX];

    (void)state;
    offer("");
    for (int i = 0; i < OFFERS_MAX; i++)
        offers_add(&offers, slice_of("X"));
    assert_true(offers_write(&offers, &verified, reply) < sizeof reply);
    offer("");
    memset(line, 'x', sizeof line);
    offers_add(&offers, (struct slice){line, sizeof line});
    assert_int_equal(offers.len, 0);
    offers_add(&offers, (struct slice){line, sizeof line - 1});
    assert_int_equal(offers.len, sizeof line);
    offers_add(&offers, slice_of("8BITMIME"));
    offers_add(&offers, slice_of("AUTH PLAIN"));
    assert_int_equal(offers.mechanisms, MECHANISM_PLAIN);
    assert_true(offers_write(&offers, &verified, reply) < sizeof reply);
}

static const char *best(const char *lines, unsigned usable)
{
    offer(lines);
    return mechanism_name(offers_best(&offers, usable));
}

static void best_mechanism(void **state)
{
    const unsigned weaker = MECHANISM_SCRAM | MECHANISM_PLAIN | MECHANISM_LOGIN;
    const unsigned password =
        MECHANISM_SCRAM_PLUS | MECHANISM_SCRAM | MECHANISM_PLAIN | MECHANISM_LOGIN;
    const unsigned token = MECHANISM_OAUTHBEARER | MECHANISM_XOAUTH2;
    const char *all =
        "AUTH LOGIN PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER";

    (void)state;
    assert_string_equal(best(all, password), "SCRAM-SHA-256-PLUS");
    assert_string_equal(best(all, weaker), "SCRAM-SHA-256");
    assert_string_equal(best(all, MECHANISM_PLAIN | MECHANISM_LOGIN), "PLAIN");
    assert_string_equal(best("AUTH LOGIN  plain", password), "PLAIN");
    assert_string_equal(best("AUTH LOGIN", password), "LOGIN");
    assert_string_equal(best("AUTH=PLAIN LOGIN", password), "PLAIN");
    assert_string_equal(best("AUTH= LOGIN", password), "LOGIN");
    assert_string_equal(best(all, token), "OAUTHBEARER");
    assert_string_equal(best("AUTH XOAUTH2 PLAIN", token), "XOAUTH2");
    assert_string_equal(best("AUTH PLAIN LOGIN", token), "");
    assert_string_equal(best("AUTH PLAINX CRAM-MD5", password), "");
    assert_string_equal(best("AUTH", password), "");
    assert_string_equal(best("AUTHPLAIN", password), "");
}

static void tokens(void **state)
{
    char text[256];
    struct slice token = slice_of("ya29.x"), user = slice_of("a=b,c@example.org"),
                 host = slice_of("smtp.example.net");

    (void)state;
    size_t len = bearer_write(user, host, 587, token, text, sizeof text);
    assert_int_equal(len, strlen(text));
    assert_string_equal(
        text,
        "n,a=a=3Db=2Cc@example.org,\1host=smtp.example.net\1port=587\1auth=Bearer ya29.x\1\1");
    assert_int_equal(bearer_write(user, host, 587, token, text, len), 0);
    assert_int_equal(bearer_write(user, host, 587, token, text, len + 1), len);
    len = bearer_write_xoauth2(user, token, text, sizeof text);
    assert_string_equal(text, "user=a=b,c@example.org\1auth=Bearer ya29.x\1\1");
    assert_int_equal(bearer_write_xoauth2(user, token, text, len), 0);
}

/* ---- the tracker -------------------------------------------------------------------------------
 */

static struct tracker tracker;

/* `C` and `S` before each piece; `i` and `b`: it has to be idle, or busy. Every piece in bits of
 * this many bytes. */
static void follow(const char *const *script, size_t bits)
{
    memset(&tracker, 0xff, sizeof tracker);
    tracker_begin(&tracker);
    for (; *script != NULL; script++) {
        struct slice bytes = slice_of(*script + 1);
        if (**script == 'i' || **script == 'b') {
            if (tracker_is_idle(&tracker) != (**script == 'i'))
                fail_msg("%s, before %s", *script, script[1] == NULL ? "the end" : script[1]);
            continue;
        }
        while (bytes.len > 0) {
            struct slice bit = {bytes.at, bytes.len < bits ? bytes.len : bits};
            if (**script == 'C')
                tracker_client(&tracker, bit);
            else
                tracker_server(&tracker, bit);
            bytes = slice_from(bytes, bit.len);
        }
    }
}

#define MAIL "CMAIL FROM:<a@example.org>\r\n", "b", "S250 2.1.0 ok\r\n", "b"
#define RCPT "CRCPT TO:<b@example.org>\r\n", "b", "S250 ok\r\n", "b"

static void transactions(void **state)
{
    static const char *const scripts[][40] = {
        {"i", MAIL, RCPT, "CDATA\r\n", "b", "S354 go\r\n", "b", "Cx\r\n.\r\n", "b", "S250-ok\r\n",
         "b", "S250 ok\r\n", "i"},
        {MAIL, RCPT, "CRSET\r\n", "b", "S250 ok\r\n", "i"},
        {"CMAIL FROM:<a>\r\n", "b", "S550 no\r\n", "i"},
        {"Cmail from:<a>\r\nRCPT TO:<b>\r\n", "S250 ok\r\n", "b", "S550 no\r\n", "b", "CRSET\r\n",
         "S250 ok\r\n", "i"},
        {MAIL, "CDATA\r\n", "S554 no recipients\r\n", "b"},
        {MAIL, RCPT, "CDATA\r\n", "S354 go\r\n", "C.\r\n", "b", "S550 no\r\n", "i"},
        {MAIL, RCPT, "CDATA\r\n", "S354 go\r\n", "C..\r\nMAIL\r\n\n.\r\n.\n\r.\r\nx.\r\n", "b",
         "S421 no\r\n", "b"},
        {MAIL, RCPT, "CDATA\r\n", "S354 go\r\n", "C\r\r\n.\r\r\n\r\n.\r\n", "S250 ok\r\n", "i"},
        {MAIL, RCPT, "CDATA\r\n", "S354 go\r\n", "Cx\r\n.\r\nMAIL FROM:<c>\r\n", "S250 ok\r\n", "b",
         "S250 ok\r\n", "b"},
        {"CNOOP\r\n", "b", "S250 ok\r\n", "i", "S421 bye\r\n", "i", "S4", "b"},
        {"CNOO", "b", "CP\r\n", "b", "S250 ok\r\n", "i"},
        {"CBDAT 3\r\n", "S250 ok\r\n", "b", "CRSET\r\n", "S250 ok\r\n", "b"},
        {MAIL, "CEHLO x\r\n", "S250-a\r\n250 b\r\n", "i"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        for (size_t bits = 1; bits < 80; bits++)
            follow(scripts[i], bits);
    tracker_begin(&tracker);
    assert_false(tracker.used);
    follow((const char *const[]){MAIL, NULL}, 99);
    assert_true(tracker.used);
}

/* Nothing is said about a session that cannot be followed; least of all that it is over. */
static void too_many_commands(void **state)
{
    (void)state;
    tracker_begin(&tracker);
    for (int i = 0; i < TRACKER_COMMANDS_MAX; i++)
        tracker_client(&tracker, slice_of("NOOP\r\n"));
    for (int i = 0; i < TRACKER_COMMANDS_MAX; i++)
        tracker_server(&tracker, slice_of("250 ok\r\n"));
    assert_true(tracker_is_idle(&tracker));
    for (int i = 0; i <= TRACKER_COMMANDS_MAX; i++)
        tracker_client(&tracker, slice_of("NOOP\r\n"));
    for (int i = 0; i <= TRACKER_COMMANDS_MAX; i++)
        tracker_server(&tracker, slice_of("250 ok\r\n"));
    assert_false(tracker_is_idle(&tracker));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_passed_on), cmocka_unit_test(too_many_offers),
        cmocka_unit_test(best_mechanism),    cmocka_unit_test(tokens),
        cmocka_unit_test(transactions),      cmocka_unit_test(too_many_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
