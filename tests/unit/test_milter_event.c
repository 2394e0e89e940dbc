/*
 * milter_event, milter_macros, milter_outcome: what filters are told, and what their answers mean.
 */
#include "../../smtpd/back/milter_events.h"
#include "../../smtpd/back/milter_macros.h"
#include "../../smtpd/back/milter_outcome.h"
#include "../../smtpd/base/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct settings settings;
static struct secured tls;
static struct delivery delivery;
static struct milter_event event;
static const struct milter_client mx = {.role = ROLE_MX, .hostname = "mx.example", .port = 4711};

static int set_up(void **state)
{
    (void)state;
    memset(&tls, 0, sizeof tls);
    settings_default(&settings);
    settings.domains = slice_of("example.org example.net");
    delivery.settings = &settings;
    delivery.client =
        (struct delivery_client){.peer = "192.0.2.1", .tls = &tls, .user = slice_of("")};
    delivery.mail = (struct wall_mail){.helo_len = 14, .helo = "client.example"};
    strcpy(delivery.id, "0123456789abcdef");
    return address_parse(slice_of("s@Example.NET"), &delivery.mail.sender) == ADDRESS_OK ? 0 : -1;
}

/* All strings, each followed by `|`; macros after `/`. */
static const char *told(void)
{
    static char text[2 * MILTER_EVENT_MAX];
    size_t len = 0;

    for (size_t i = 0; i < event.arguments_len + event.macros_len; i++) {
        if (i == event.arguments_len)
            text[len++] = '/';
        text[len++] = event.strings[i] == '\0' ? '|' : event.strings[i];
    }
    text[len] = '\0';
    return text;
}

/* The value of a macro; NULL: it has none. */
static const char *macro(const char *name)
{
    const char *at = event.strings + event.arguments_len, *end = at + event.macros_len;

    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static void assert_macro(const char *name, const char *due)
{
    const char *value = macro(name);

    if ((value == NULL) != (due == NULL) || (due != NULL && strcmp(value, due) != 0))
        fail_msg("%s: \"%s\" instead of \"%s\"", name, value == NULL ? "none" : value,
                 due == NULL ? "none" : due);
}

static void clients(void **state)
{
    static const struct {
        const char *peer, *arguments, *address, *name, *both;
    } examples[] = {
        {"192.0.2.1", "[192.0.2.1]|4|4711|192.0.2.1|/", "192.0.2.1", "unknown",
         "unknown [192.0.2.1]"},
        {"2001:db8::1", "[2001:db8::1]|6|4711|2001:db8::1|/", "IPv6:2001:db8::1", "unknown",
         "unknown [2001:db8::1]"},
        {"local", "localhost|L|4711|local|/", NULL, "localhost", "localhost"},
        {"unknown", "unknown|U|4711|unknown|/", "unknown", "unknown", "unknown [unknown]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        delivery.client.peer = examples[i].peer;
        milter_events_connect(&event, &mx, &delivery);
        assert_int_equal(event.step, MILTER_CONNECT);
        assert_memory_equal(told(), examples[i].arguments, strlen(examples[i].arguments));
        assert_macro("client_addr", examples[i].address);
        assert_macro("client_name", examples[i].name);
        assert_macro("_", examples[i].both);
        assert_macro("client_port", "4711");
        assert_macro("j", "mx.example");
        assert_macro("v", "mailslot " MAILSLOT_VERSION);
        assert_macro("daemon_name", "mx");
        assert_macro("i", NULL);
        assert_macro("tls_version", NULL);
    }
}

static void ports_that_are_not_known(void **state)
{
    const struct milter_client client = {.role = ROLE_LOCAL, .hostname = "mx.example"};

    (void)state;
    milter_events_connect(&event, &client, &delivery);
    assert_macro("client_port", NULL);
    assert_memory_equal(told(), "[192.0.2.1]|4|0|", 16);
}

static void with_tls(void **state)
{
    (void)state;
    tls.on = true;
    strcpy(tls.facts.protocol, "TLS1.3");
    strcpy(tls.facts.cipher, "TLS_AES_256_GCM_SHA384");
    milter_events_helo(&event, &mx, &delivery);
    assert_memory_equal(told(), "client.example|/", 16);
    assert_macro("tls_version", "TLS1.3");
    assert_macro("cipher", "TLS_AES_256_GCM_SHA384");
    assert_macro("cipher_bits", "256");
    assert_macro("cert_subject", NULL);
    assert_macro("cert_issuer", NULL);
    strcpy(tls.client, "client.example");
    strcpy(tls.issuer, "An authority");
    strcpy(tls.facts.cipher, "something new");
    milter_events_helo(&event, &mx, &delivery);
    assert_macro("cipher_bits", NULL);
    assert_macro("cert_subject", "client.example");
    assert_macro("cert_issuer", "An authority");
}

static void bits_of_ciphers(void **state)
{
    (void)state;
    assert_int_equal(milter_macros_bits("TLS_AES_128_GCM_SHA256"), 128);
    assert_int_equal(milter_macros_bits("TLS_CHACHA20_POLY1305_SHA256"), 256);
    assert_int_equal(milter_macros_bits("TLS_ECDHE_RSA_AES_256_CBC_SHA1"), 256);
    assert_int_equal(milter_macros_bits("TLS_ECDHE_ECDSA_CHACHA20_POLY1305"), 256);
    assert_int_equal(milter_macros_bits("unknown"), 0);
}

static void senders(void **state)
{
    static const char user[] = "s@example.net";
    struct milter_client client = mx;

    (void)state;
    milter_events_mail(&event, &mx, &delivery);
    assert_memory_equal(told(), "<s@Example.NET>|/", 17);
    assert_macro("i", "0123456789abcdef");
    assert_macro("mail_addr", "s@Example.NET");
    assert_macro("mail_host", "Example.NET");
    assert_macro("mail_mailer", "local");
    assert_macro("auth_authen", NULL);
    assert_macro("auth_type", NULL);
    delivery.client.user = slice_of(user);
    client.mechanism = "SCRAM-SHA-256";
    delivery.mail.size = 18446744073709551615u;
    delivery.mail.utf8 = delivery.mail.prdr = delivery.mail.require_tls = 1;
    address_parse(slice_of("\"a b\"@else.example"), &delivery.mail.sender);
    milter_events_mail(&event, &client, &delivery);
    static const char due[] =
        "<\"a b\"@else.example>|SIZE=18446744073709551615|SMTPUTF8|REQUIRETLS|PRDR|/";
    assert_memory_equal(told(), due, sizeof due - 1);
    assert_macro("mail_addr", "\"a b\"@else.example");
    assert_macro("mail_mailer", "smtp");
    assert_macro("auth_authen", user);
    assert_macro("auth_type", "SCRAM-SHA-256");
    assert_macro("auth_author", NULL);
    delivery.mail.body = WALL_BODY_8BITMIME;
    strcpy(delivery.mail.author, "e+3Dmc+0A2@example.com+");
    delivery.mail.author_len = (uint8_t)strlen(delivery.mail.author);
    milter_events_mail(&event, &client, &delivery);
    assert_non_null(strstr(told(), "|BODY=8BITMIME|AUTH=e+3Dmc+0A2@example.com+|SMTPUTF8|"));
    assert_macro("auth_author", "e=mc?2@example.com+");
    delivery.client.user = slice_of("");
    milter_events_mail(&event, &mx, &delivery);
    assert_macro("auth_author", NULL);
    delivery.mail.body = delivery.mail.author_len = 0;
    memset(&delivery.mail.sender, 0, sizeof delivery.mail.sender);
    milter_events_mail(&event, &client, &delivery);
    assert_memory_equal(told(), "<>|", 3);
    assert_macro("mail_addr", "");
    assert_macro("mail_host", NULL);
    assert_macro("mail_mailer", "smtp");
}

static void recipients(void **state)
{
    static const struct {
        enum verdict own;
        bool refused;
        const char *address, *host, *mailer;
    } examples[] = {
        {VERDICT_USER, false, "r@example.org", "example.org", "local"},
        {VERDICT_ALIAS, false, "r@example.org", "example.org", "local"},
        {VERDICT_CATCH_ALL, false, "r@example.org", "example.org", "local"},
        {VERDICT_OK, false, "r@example.org", "example.org", "smtp"},
        {VERDICT_UNKNOWN, true, "No such user here", "5.1.1", "error"},
        {VERDICT_FOREIGN, true, "Relaying denied; not a domain of this server", "5.7.1", "error"},
        {VERDICT_TOO_MANY, true, NULL, "4.5.3", "error"},
    };
    struct address recipient;

    (void)state;
    assert_int_equal(address_parse(slice_of("r@example.org"), &recipient), ADDRESS_OK);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        milter_events_rcpt(&event, &mx, &delivery, &recipient, examples[i].own);
        assert_memory_equal(told(), "<r@example.org>|/", 17);
        assert_int_equal(event.refused, examples[i].refused);
        if (examples[i].address != NULL)
            assert_macro("rcpt_addr", examples[i].address);
        assert_macro("rcpt_host", examples[i].host);
        assert_macro("rcpt_mailer", examples[i].mailer);
        assert_macro("i", "0123456789abcdef");
    }
    milter_events_message(&event, MILTER_END, &mx, &delivery);
    assert_int_equal(event.arguments_len, 0);
    assert_false(event.refused);
    assert_macro("rcpt_addr", NULL);
    assert_macro("i", "0123456789abcdef");
}

/* Nothing is cut off: what has no room is left out, with its name. */
static void room(void **state)
{
    static char text[MILTER_EVENT_MAX];
    static struct wall_message message;

    (void)state;
    milter_events_message(&event, MILTER_DATA, &mx, &delivery);
    size_t used = event.macros_len;
    memset(text, 'x', sizeof text - used - 2);
    milter_event_macro(&event, "n", text); /* one byte too long */
    milter_event_macro(&event, text, "v");
    assert_int_equal(event.macros_len, used);
    milter_event_macro(&event, "n", text + 1);
    assert_int_equal(event.macros_len, MILTER_EVENT_MAX);
    milter_event_macro(&event, "", "");
    milter_event_macro(&event, "n", NULL);
    assert_int_equal(event.macros_len, MILTER_EVENT_MAX);
    assert_int_equal(milter_event_write(&event, 7, &message),
                     offsetof(struct wall_milter_event, strings) + MILTER_EVENT_MAX);
    assert_int_equal(message.type, WALL_MILTER_EVENT);
    assert_int_equal(message.milter_event.filter, 7);
    assert_int_equal(message.milter_event.step, MILTER_DATA);
    assert_int_equal(message.milter_event.arguments_len, 0);
    assert_int_equal(message.milter_event.macros_len, MILTER_EVENT_MAX);
}

static void outcomes(void **state)
{
    static const struct {
        struct wall_milter_reply reply;
        enum verdict verdict;
        bool failed, discard;
        const char *status, *said;
    } examples[] = {
        {{.answer = MILTER_CONTINUE}, VERDICT_OK, false, false, NULL, NULL},
        {{.answer = MILTER_ACCEPT}, VERDICT_OK, false, false, NULL, NULL},
        {{.answer = MILTER_DISCARD}, VERDICT_OK, false, true, NULL, NULL},
        {{.answer = MILTER_REJECT}, VERDICT_MILTER_REFUSED, false, false, "550 5.7.1", ""},
        {{.answer = MILTER_TEMPFAIL}, VERDICT_MILTER_DEFERRED, false, false, "451 4.7.1", ""},
        {{.answer = MILTER_SHUTDOWN}, VERDICT_MILTER_CLOSING, false, false, "421 4.7.0", ""},
        {{.answer = MILTER_REJECT, .code = 554, .status = "5.0.0", .text = "a\rb\xc3\xa4"},
         VERDICT_MILTER_REFUSED,
         false,
         false,
         "554 5.0.0",
         "554 5.0.0 a\rb??"},
        {{.answer = MILTER_TEMPFAIL, .code = 421, .status = "4.3.2", .text = ""},
         VERDICT_MILTER_CLOSING,
         false,
         false,
         "421 4.3.2",
         "421 4.3.2 "},
        {{.answer = MILTER_REJECT, .fault = MILTER_CLOSED},
         VERDICT_MILTER_UNAVAILABLE,
         true,
         false,
         NULL,
         NULL},
        {{.fault = MILTER_MALFORMED}, VERDICT_MILTER_UNAVAILABLE, true, false, NULL, NULL},
        {{.answer = MILTER_DISCARD, .fault = MILTER_REFUSED},
         VERDICT_MILTER_UNAVAILABLE,
         true,
         false,
         NULL,
         NULL},
        {{.fault = MILTER_DISORDER}, VERDICT_MILTER_UNAVAILABLE, true, false, NULL, NULL},
    };
    char status[REPLY_STATUS_MAX], said[MILTER_SAID_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct milter_outcome outcome = {.reply = examples[i].reply};
        milter_outcome_judge(&outcome);
        assert_int_equal(outcome.verdict, examples[i].verdict);
        assert_int_equal(outcome.failed, examples[i].failed);
        assert_int_equal(outcome.discard, examples[i].discard);
        assert_int_equal(outcome.error != NULL, examples[i].failed);
        if (examples[i].status == NULL)
            continue;
        assert_true(verdict_is_said(outcome.verdict) && verdict_is_of_milter(outcome.verdict));
        assert_string_equal(milter_outcome_status(&outcome, status), examples[i].status);
        assert_int_equal(milter_outcome_said(&outcome, said), strlen(examples[i].said));
        assert_string_equal(said, examples[i].said);
    }
}

/* Lines that are too long are cut off, each for itself. */
static void long_lines(void **state)
{
    struct milter_outcome outcome = {
        .reply = {.answer = MILTER_REJECT, .code = 550, .status = "5.7.1"}};
    char said[MILTER_SAID_MAX + 1];

    (void)state;
    memset(outcome.reply.text, 'x', MILTER_TEXT_MAX - 1);
    outcome.reply.text[1000] = '\r';
    milter_outcome_judge(&outcome);
    size_t len = milter_outcome_said(&outcome, said);
    assert_int_equal(len, WALL_SAID_MAX + 1 + WALL_SAID_MAX);
    assert_int_equal(strcspn(said, "\r"), WALL_SAID_MAX);
    assert_int_equal(strlen(said), len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(clients, set_up),
        cmocka_unit_test_setup(ports_that_are_not_known, set_up),
        cmocka_unit_test_setup(with_tls, set_up),
        cmocka_unit_test_setup(bits_of_ciphers, set_up),
        cmocka_unit_test_setup(senders, set_up),
        cmocka_unit_test_setup(recipients, set_up),
        cmocka_unit_test_setup(room, set_up),
        cmocka_unit_test(outcomes),
        cmocka_unit_test(long_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
