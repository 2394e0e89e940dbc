/*
 * header_facts: what is read from a header, however it is split; above all, which messages have
 * come back.
 */
#include "../../smtpd/mailbox/header_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10
#define US "Received: from x\n\tby mx.example.org with ESMTP id 1;\n\tdate\n"

static const struct {
    const char *text;
    const char *found; /* each key in parentheses */
} examples[] = {
    {"Delivered-To: alice@example.org\n" US, "(alice@example.org)"},
    {"delivered-to:alice@example.org\n" US, "(alice@example.org)"},
    {"DELIVERED-TO \t: \t Alice@Example.ORG \t\n" US, "(alice@example.org)"},
    {"Delivered-To: \"a b\"@example.org\n" US, "(a b@example.org)"},
    {"Delivered-To: a@x\n" US "To: y\nDelivered-To: b@x\n" US "\nbody\n", "(a@x)(b@x)"},
    {"Delivered-To: a@x\n" US "\nDelivered-To: b@x\n" US, "(a@x)"},
    {"Delivered-To: a@x\nDelivered-To: b@x\n" US, "(b@x)"},
    {"\nDelivered-To: b@x\n" US, ""},
    {"Hello\nDelivered-To: b@x\n" US, ""},
    {"Subject: x\n\n\nDelivered-To: b@x\n" US, ""},
    {"X-Delivered-To: a@x\n" US "Delivered: a@x\n" US "Delivered-To a@x\n" US, ""},
    {"Delivered-To: a@x, b@x\n" US, ""},
    {"Delivered-To: <a@x>\n" US, ""},
    {"Delivered-To: a@@x\n" US, ""},
    {"Delivered-To:\n" US, ""},
    {"Delivered-To: " A100 A100 A10 A10 A10 A10 A10 "aaaaa@x\n" US,
     "(" A100 A100 A10 A10 A10 A10 A10 "aaaaa@x)"},
    {"Delivered-To: " A100 A100 A100 "@x\n" US, ""},
    {"Delivered-To: " A100 A100 A100 A100 A100 A100 A100 A100 A100 A100 A100 "@x\n" US, ""},

    /* only with a Received field of this host directly below */
    {"Delivered-To: a@x\n\n", ""},
    {"Delivered-To: a@x\nSubject: x\n" US, ""},
    {"Delivered-To: a@x\nnothing\n" US, ""},
    {US "Delivered-To: a@x\nSubject: x\n", ""},
    {"Delivered-To: a@x\nX-Received: by mx.example.org with ESMTP id 1;\n", ""},
    {"Delivered-To: a@x\nReceived: by mx.example.org with ESMTP id 1;\n", "(a@x)"},
    {"Delivered-To: a@x\nreceived :\n by\n\tMX.Example.ORG with\n LMTPS id\n 1\n", "(a@x)"},
    {"Delivered-To: a@x\nReceived: from by (by by by mx.example.org with S id 1\n", "(a@x)"},
    {"Delivered-To: a@x\nReceived: from " A100 A100 A100 A100 " by mx.example.org with S id 1\n",
     "(a@x)"},
    {"Delivered-To: a@x\nReceived: by mx.example.net with ESMTP id 1;\n", ""},
    {"Delivered-To: a@x\nReceived: by mx.example.or with ESMTP id 1;\n", ""},
    {"Delivered-To: a@x\nReceived: by mx.example.org.uk with ESMTP id 1;\n", ""},
    {"Delivered-To: a@x\nReceived: from mx.example.org by x with ESMTP id 1;\n", ""},
    {"Delivered-To: a@x\nReceived: by mx.example.org (Postfix) with ESMTP id 1\n", ""},
    {"Delivered-To: a@x\nReceived: by mx.example.org with esmtp (Exim 4.96) id 1\n", ""},
    {"Delivered-To: a@x\nReceived: (qmail 1 invoked by uid 1); by mx.example.org\n", ""},
    {"Delivered-To: a@x\nReceived: by mx.example.org with ESMTP id", ""},
};

static char found[2048];

static void feed(struct header *header, struct header_facts *facts, const char *text, size_t len)
{
    struct header_part part;

    for (size_t at = 0; at < len;) {
        at += header_next(header, (struct slice){text + at, len - at}, &part);
        if (header_facts_part(facts, &part)) {
            size_t used = strlen(found);
            snprintf(found + used, sizeof found - used, "(%.*s)", (int)facts->delivered_len,
                     facts->delivered);
        }
    }
}

static void messages_that_come_back_are_found_however_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const char *text = examples[i].text;
        size_t len = strlen(text);
        for (size_t cut = 0; cut <= len; cut++) {
            struct header header = {0};
            struct header_facts facts;
            header_facts_begin(&facts, "mx.example.org");
            found[0] = '\0';
            feed(&header, &facts, text, cut);
            feed(&header, &facts, text + cut, len - cut);
            if (strcmp(found, examples[i].found) != 0)
                fail_msg("'%s' cut at %zu: found %s", text, cut, found);
        }
    }
}

static void date_and_id_are_found(void **state)
{
    static const struct {
        const char *text;
        bool date, id;
    } messages[] = {
        {"Date: x\n\n", true, false},
        {"Subject: x\nmessage-id : x\n\n", false, true},
        {"DATE:\n x\nMessage-ID:x\n", true, true},
        {"Dates: x\nX-Message-ID: x\n\nDate: x\nMessage-ID: x\n", false, false},
        {"x\nDate: x\n", false, false},
        {"Subject: x\n Date: x\n", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct header header = {0};
        struct header_facts facts;
        header_facts_begin(&facts, "x");
        feed(&header, &facts, messages[i].text, strlen(messages[i].text));
        if (facts.has_date != messages[i].date || facts.has_message_id != messages[i].id)
            fail_msg("'%s'", messages[i].text);
    }
}

/* NUL and other bytes that are not text. */
static void odd_bytes_do_no_harm(void **state)
{
    static const char text[] = "Delivered-To: a\1b@x\n" US "Delivered-To: \xff@x\n" US
                               "\1\nDelivered-To: c@x\nReceived: \1\0 by mx.example.org with \1 id "
                               "\xff\n";
    struct header header = {0};
    struct header_facts facts;

    (void)state;
    header_facts_begin(&facts, "mx.example.org");
    found[0] = '\0';
    feed(&header, &facts, text, sizeof text - 1);
    assert_string_equal(found, "(c@x)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_that_come_back_are_found_however_split),
        cmocka_unit_test(date_and_id_are_found),
        cmocka_unit_test(odd_bytes_do_no_harm),
    };

    return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
