/*
 * trace: the fields above a message, to the byte.
 */
#include "../../smtpd/mailbox/trace.h"

#include "../../smtpd/base/peer.h"
#include "../../smtpd/wall/wall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t write_trace(char to[TRACE_MAX], const struct trace *trace, const struct address *user)
{
    char received[TRACE_MAX];

    return trace_mailbox(to, trace, user,
                         (struct slice){received, trace_received(received, trace)});
}

static struct address address(const char *text)
{
    struct address result = {0};

    if (*text != '\0')
        assert_int_equal(address_parse(slice_of(text), &result), ADDRESS_OK);
    return result;
}

static const struct {
    const char *sender, *recipient /* NULL: several */, *user, *helo, *peer;
    bool extended;
    const char *trace;
} examples[] = {
    {"carol@example.com", "alice@example.org", "alice@example.org", "client.example", "192.0.2.1",
     true,
     "From carol@example.com Thu Jan  1 00:00:00 1970\n"
     "Return-Path: <carol@example.com>\n"
     "Delivered-To: alice@example.org\n"
     "Received: from client.example ([192.0.2.1])\n"
     "\tby mx.example.org with ESMTP id 0123456789abcdef\n"
     "\tfor <alice@example.org>;\n"
     "\tThu, 01 Jan 1970 00:00:00 +0000\n"},
    {"", NULL, "alice@example.org", "[IPv6:2001:db8::1]", "2001:db8::1", false,
     "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
     "Return-Path: <>\n"
     "Delivered-To: alice@example.org\n"
     "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\n"
     "\tby mx.example.org with SMTP id 0123456789abcdef;\n"
     "\tThu, 01 Jan 1970 00:00:00 +0000\n"},
    {"\"From  x\\\"y\"@example.com", "postmaster", "\"a b\"@example.org", "x", "unknown", false,
     "From _From__x\\_y_@example.com Thu Jan  1 00:00:00 1970\n"
     "Return-Path: <\"From  x\\\"y\"@example.com>\n"
     "Delivered-To: \"a b\"@example.org\n"
     "Received: from x (unknown)\n"
     "\tby mx.example.org with SMTP id 0123456789abcdef\n"
     "\tfor <postmaster>;\n"
     "\tThu, 01 Jan 1970 00:00:00 +0000\n"},
    {"\"a:b\"@[IPv6:::1]", "x@y", "x@y", "x", "local", true,
     "From _a_b_@[IPv6___1] Thu Jan  1 00:00:00 1970\n"
     "Return-Path: <\"a:b\"@[IPv6:::1]>\n"
     "Delivered-To: x@y\n"
     "Received: from x (local)\n"
     "\tby mx.example.org with ESMTP id 0123456789abcdef\n"
     "\tfor <x@y>;\n"
     "\tThu, 01 Jan 1970 00:00:00 +0000\n"},
    {"a@b", "Alice+Box@Example.ORG", "alice@example.org", "(x)<y>\"z\\;,by", "local", true,
     "From a@b Thu Jan  1 00:00:00 1970\n"
     "Return-Path: <a@b>\n"
     "Delivered-To: alice@example.org\n"
     "Received: from _x__y__z___by (local)\n"
     "\tby mx.example.org with ESMTP id 0123456789abcdef\n"
     "\tfor <Alice+Box@Example.ORG>;\n"
     "\tThu, 01 Jan 1970 00:00:00 +0000\n"},
};

/* The name in HELO, and what Received has for it: always a domain in the syntax of RFC 5322. */
static const struct {
    const char *helo, *from;
} names[] = {
    {"client.example", "client.example"},
    {"client.example.", "client.example"},
    {"my_laptop", "my_laptop"},
    {"[192.0.2.1]", "[192.0.2.1]"},
    {"[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"},
    {"[127.0.0.1", "_127.0.0.1"},
    {"127.0.0.1]", "127.0.0.1_"},
    {"[[192.0.2.1]", "__192.0.2.1_"},
    {"[192.0.2.1]]", "_192.0.2.1__"},
    {"[a\\]", "_a__"},
    {"fe80::1%eth0", "fe80__1%eth0"},
    {"user@host", "user_host"},
    {"<client.example>", "_client.example_"},
    {"\"client", "_client"},
    {"a(b", "a_b"},
    {"..a..b..", "__a._b_"},
    {".", "_"},
    {"..", "_"},
    {"a/b+c!d", "a/b+c!d"},
};

static void names_are_domains(void **state)
{
    const struct address nobody = {0};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct trace trace = {
            .sender = &nobody, .helo = names[i].helo, .peer = "x", .hostname = "x", .id = "x"};
        char text[TRACE_MAX], due[TRACE_MAX];
        write_trace(text, &trace, &nobody);
        snprintf(due, sizeof due, "\nReceived: from %s (x)\n", names[i].from);
        if (strstr(text, due) == NULL)
            fail_msg("%s, not%s", text, due);
    }
}

static void examples_are_written(void **state)
{
    (void)state;
    setenv("TZ", "America/St_Johns", 1); /* the date is still in UTC */
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct address sender = address(examples[i].sender), user = address(examples[i].user);
        struct address recipient =
            address(examples[i].recipient == NULL ? "" : examples[i].recipient);
        const struct trace trace = {
            .sender = &sender,
            .recipient = examples[i].recipient == NULL ? NULL : &recipient,
            .helo = examples[i].helo,
            .peer = examples[i].peer,
            .hostname = "mx.example.org",
            .id = "0123456789abcdef",
            .extended = examples[i].extended,
        };
        char text[TRACE_MAX];
        size_t len = write_trace(text, &trace, &user);
        assert_int_equal(len, strlen(text));
        assert_string_equal(text, examples[i].trace);
    }
}

/* A message from a user whose address is hidden: HELO may contain it, too. The loop is found all
 * the same (header_facts). */
static void hidden_clients(void **state)
{
    static const struct trace_tls tls = {"TLS1.3", "AES", ""};
    const struct address sender = address("a@b");
    struct trace trace = {.sender = &sender,
                          .helo = "[192.0.2.1]",
                          .hostname = "mx.example.org",
                          .id = "0123456789abcdef",
                          .extended = true,
                          .authenticated = true};
    char text[TRACE_MAX];

    (void)state;
    trace_received(text, &trace);
    assert_string_equal(text, "Received: by mx.example.org with ESMTPA id 0123456789abcdef;\n"
                              "\tThu, 01 Jan 1970 00:00:00 +0000\n");
    trace.tls = &tls;
    trace.recipient = &sender;
    trace_received(text, &trace);
    assert_string_equal(text, "Received: by mx.example.org with ESMTPSA id 0123456789abcdef\n"
                              "\t(using TLS1.3 with cipher AES)\n"
                              "\tfor <a@b>;\n"
                              "\tThu, 01 Jan 1970 00:00:00 +0000\n");
}

/* RFC 3848. */
static void protocols_are_named(void **state)
{
    static const struct trace_tls tls = {"TLS1.3", "AES", ""};
    static const struct {
        bool lmtp, extended, tls, authenticated;
        const char *with;
    } protocols[] = {
        {false, false, false, false, " with SMTP id "},
        {false, true, false, false, " with ESMTP id "},
        {false, true, true, false, " with ESMTPS id "},
        {false, true, false, true, " with ESMTPA id "},
        {false, true, true, true, " with ESMTPSA id "},
        {true, true, false, false, " with LMTP id "},
        {true, false, false, false, " with LMTP id "},
        {true, true, true, false, " with LMTPS id "},
    };
    const struct address nobody = {0};

    (void)state;
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        const struct trace trace = {.sender = &nobody,
                                    .helo = "x",
                                    .peer = "x",
                                    .hostname = "x",
                                    .id = "x",
                                    .lmtp = protocols[i].lmtp,
                                    .extended = protocols[i].extended,
                                    .tls = protocols[i].tls ? &tls : NULL,
                                    .authenticated = protocols[i].authenticated};
        char text[TRACE_MAX];
        write_trace(text, &trace, &nobody);
        assert_non_null(strstr(text, protocols[i].with));
    }
}

static void dates_are_right(void **state)
{
    static const struct {
        time_t time;
        const char *from, *received;
    } dates[] = {
        {951827696, " Tue Feb 29 12:34:56 2000\n", "\tTue, 29 Feb 2000 12:34:56 +0000\n"},
        {4102444799, " Thu Dec 31 23:59:59 2099\n", "\tThu, 31 Dec 2099 23:59:59 +0000\n"},
    };
    const struct address nobody = {0};

    (void)state;
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        const struct trace trace = {.sender = &nobody,
                                    .helo = "x",
                                    .peer = "x",
                                    .hostname = "x",
                                    .id = "x",
                                    .time = dates[i].time};
        char text[TRACE_MAX];
        write_trace(text, &trace, &nobody);
        assert_non_null(strstr(text, dates[i].from));
        assert_non_null(strstr(text, dates[i].received));
    }
}

static void fill(char *to, const char *with, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = with[i % strlen(with)];
    to[len] = '\0';
}

/* The longest values are written completely; the other half of the buffer stays unchanged. */
static void the_longest_fits(void **state)
{
    static char text[2 * TRACE_MAX];
    char helo[WALL_HELO_MAX + 1], hostname[ADDRESS_DOMAIN_MAX + 1], peer[PEER_MAX];
    char id[ID_MAX], written[ADDRESS_TEXT_MAX], due[ADDRESS_TEXT_MAX + 32];
    struct address longest = {.local_len = ADDRESS_LOCAL_MAX, .domain_len = ADDRESS_DOMAIN_MAX};
    const struct trace trace = {.sender = &longest,
                                .recipient = &longest,
                                .helo = helo,
                                .peer = peer,
                                .hostname = hostname,
                                .id = id,
                                .extended = true,
                                .time = 4102444799};

    (void)state;
    memset(longest.local, '"', sizeof longest.local);
    for (size_t i = 0; i < sizeof longest.domain; i++)
        longest.domain[i] = "d."[i % 2];
    assert_true(address_valid(&longest));
    fill(helo, "h", WALL_HELO_MAX);
    fill(hostname, "n", ADDRESS_DOMAIN_MAX);
    fill(peer, "2001:", PEER_MAX - 1);
    fill(id, "i", ID_MAX - 1);
    memset(text, 'Z', sizeof text);
    size_t len = write_trace(text, &trace, &longest);
    assert_true(len < TRACE_MAX);
    assert_int_equal(text[TRACE_MAX], 'Z');
    assert_int_equal(address_write(&longest, written), ADDRESS_TEXT_MAX - 1);
    snprintf(due, sizeof due, "\nReturn-Path: <%s>\n", written);
    assert_non_null(strstr(text, due));
    snprintf(due, sizeof due, "\nDelivered-To: %s\n", written);
    assert_non_null(strstr(text, due));
    snprintf(due, sizeof due, "\tfor <%s>;\n", written);
    assert_non_null(strstr(text, due));
    assert_non_null(strstr(text, id));
    assert_string_equal(text + len - 33, "\tThu, 31 Dec 2099 23:59:59 +0000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_domains),   cmocka_unit_test(examples_are_written),
        cmocka_unit_test(protocols_are_named), cmocka_unit_test(dates_are_right),
        cmocka_unit_test(the_longest_fits),    cmocka_unit_test(hidden_clients),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
