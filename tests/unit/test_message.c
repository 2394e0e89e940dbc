/*
 * message: what becomes of a text on its way to mailboxes and to other servers, however it is cut.
 */
#include "../../smtpd/mailbox/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { EIGHT_BIT = 1, UTF8_HEADER = 2, SUBMISSION = 4 };

static const struct {
    const char *text;
    unsigned facts;
    const char *passed_on; /* NULL: as it is */
    const char *kept;      /* in a mailbox; NULL: not compared */
} examples[] = {
    {"Subject: x\n\nbody\n", 0, NULL, "Subject: x\n\nbody\n\n"},
    {"", 0, NULL, "\n\n"},
    {"\n", 0, NULL, "\n\n"},
    {"\nFrom here\n", 0, NULL, "\n>From here\n\n"},
    {"Subject: x\n", 0, NULL, NULL},

    /* the last line has an LF */
    {"Subject: x\n\nbody", 0, "Subject: x\n\nbody\n", NULL},
    {"Subject: x", 0, "Subject: x\n", NULL},

    /* no repairs for mboxes */
    {"Status: RO\nX-UID: 1\n 2\nSubject: x\n\nFrom a\n>From b\n\n\n", 0, NULL,
     "Subject: x\n\n>From a\n>>From b\n\n\n\n"},

    /* our Received field comes before it */
    {"From a@b Mon Jan  1 00:00:00 2001\nSubject: x\n\nb\n", 0,
     "X-Mailbox-Line: From a@b Mon Jan  1 00:00:00 2001\nSubject: x\n\nb\n", NULL},
    {"Hello\nSubject: x\n", 0, "\nHello\nSubject: x\n", "\nHello\nSubject: x\n\n"},
    {" folded\n", 0, "\n folded\n", NULL},

    /* what extensions it needs */
    {"Subject: x\n\nb\xc3\xb6\n", EIGHT_BIT, NULL, NULL},
    {"Subject: \xc3\xb6\n\nb\n", EIGHT_BIT | UTF8_HEADER, NULL, NULL},
    {"Subject: x\n \xff\nTo: y\n\nb\n", EIGHT_BIT | UTF8_HEADER, NULL, NULL},
    {"H\xc3\xb6llo\n\nb\n", EIGHT_BIT, "\nH\xc3\xb6llo\n\nb\n", NULL},

    /* Bcc, in submissions alone */
    {"Bcc: a@x\nSubject: x\n\nBcc: b\n", 0, NULL, "Bcc: a@x\nSubject: x\n\nBcc: b\n\n"},
    {"Bcc: a@x\nSubject: x\n\nBcc: b\n", SUBMISSION, "Subject: x\n\nBcc: b\n",
     "Subject: x\n\nBcc: b\n\n"},
    {"To: y\nBCC :\n a@x,\n\t\xc3\xb6@x\nSubject: x\n z\nResent-Bcc: c\n d\nBcc-To: e\n",
     SUBMISSION, "To: y\nSubject: x\n z\nBcc-To: e\n", "To: y\nSubject: x\n z\nBcc-To: e\n\n\n"},
    {"Subject: x\nBcc: a", SUBMISSION, "Subject: x\n", NULL},
    {"Bcc: a\n\nb\n", SUBMISSION, "\nb\n", "\nb\n\n"},
    {"X-Bcc: a\nBc: b\n\n", SUBMISSION, NULL, NULL},
};

static struct message message;

static void came_back(void *context, struct slice address)
{
    (void)context;
    (void)address;
    fail();
}

static char addresses[64];

static void note_address(void *context, struct slice address)
{
    size_t len = strlen(addresses);

    (void)context;
    snprintf(addresses + len, sizeof addresses - len, "%.*s ", SLICE(address));
}

struct copy {
    char text[1024];
    size_t len;
};

static int add(void *context, const char *bytes, size_t len)
{
    struct copy *copy = context;

    assert_in_range(copy->len + len, 0, sizeof copy->text - 1);
    memcpy(copy->text + copy->len, bytes, len);
    copy->len += len;
    return 0;
}

static void assert_spool(struct spool *spool, const char *due)
{
    struct copy copy = {.len = 0};

    assert_int_equal(spool_copy(spool, add, &copy), 0);
    assert_string_equal(copy.text, due);
    assert_int_equal(spool->size, strlen(due));
}

static uint64_t count_lines(const char *text)
{
    uint64_t lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void try_cut(size_t number, size_t cut, size_t second)
{
    const char *text = examples[number].text;
    const char *passed_on = examples[number].passed_on == NULL ? text : examples[number].passed_on;
    unsigned facts = examples[number].facts;
    const size_t len = strlen(text);
    struct onward *onward = &message.onward;

    message_begin(&message, "mx.example.org", "/nonexistent", came_back, NULL);
    message_goes_onward(&message);
    if (facts & SUBMISSION)
        message_leave_out_bcc(&message);
    assert_int_equal(message_text(&message, (struct slice){text, cut}), 0);
    assert_int_equal(message_text(&message, (struct slice){text + cut, second - cut}), 0);
    assert_int_equal(message_text(&message, (struct slice){text + second, len - second}), 0);
    assert_int_equal(message_end(&message), 0);
    assert_spool(&onward->spool, passed_on);
    if (examples[number].kept != NULL)
        assert_spool(&message.spool, examples[number].kept);
    assert_int_equal(onward->lines, count_lines(passed_on));
    assert_int_equal(onward->eight_bit, (facts & EIGHT_BIT) != 0);
    assert_int_equal(onward->utf8_header, (facts & UTF8_HEADER) != 0);
    message_drop(&message);
}

static void every_example_in_every_cut(void **state)
{
    (void)state;
    message_init(&message);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        for (size_t cut = 0; cut <= strlen(examples[i].text); cut++)
            for (size_t second = cut; second <= strlen(examples[i].text); second++)
                try_cut(i, cut, second);
}

static void a_message_for_mailboxes_alone_is_not_kept_twice(void **state)
{
    (void)state;
    message_init(&message);
    message.onward.spool.size = 42;
    message_begin(&message, "mx.example.org", "/nonexistent", came_back, NULL);
    assert_int_equal(message_text(&message, slice_of("Subject: x\n\nbody\n")), 0);
    assert_int_equal(message_end(&message), 0);
    assert_int_equal(message.onward.spool.size, 42);
    message_drop(&message);
}

/* ---- with filters ------------------------------------------------------------------------------
 */

static void begin_filtered(bool submission)
{
    message_begin(&message, "mx.example.org", "/dev/null/nowhere", note_address, NULL);
    message_is_filtered(&message, 100000);
    message_goes_onward(&message);
    if (submission)
        message_leave_out_bcc(&message);
}

/* Filters that change nothing change nothing, except that a header always ends with an empty line.
 */
static void filters_are_let_through(void **state)
{
    (void)state;
    message_init(&message);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        for (size_t cut = 0; cut <= strlen(examples[i].text); cut++) {
            const char *text = examples[i].text;
            const char *passed_on = examples[i].passed_on == NULL ? text : examples[i].passed_on;
            bool ends = *passed_on == '\n' || strstr(passed_on, "\n\n") != NULL;
            char due[256];
            snprintf(due, sizeof due, "%s%s", passed_on, ends ? "" : "\n");
            begin_filtered(examples[i].facts & SUBMISSION);
            assert_int_equal(message_text(&message, (struct slice){text, cut}), 0);
            assert_int_equal(message_text(&message, slice_from(slice_of(text), cut)), 0);
            assert_int_equal(message_end(&message), 0);
            assert_int_equal(message.spool.size + message.onward.spool.size, 0);
            assert_int_equal(message_filtered(&message), 0);
            assert_spool(&message.onward.spool, due);
            if (examples[i].kept != NULL)
                assert_spool(&message.spool, examples[i].kept);
            assert_int_equal(message.onward.eight_bit, (examples[i].facts & EIGHT_BIT) != 0);
            assert_int_equal(message.onward.utf8_header, (examples[i].facts & UTF8_HEADER) != 0);
            assert_int_equal(message.above.spool + message.above.onward, 0);
            message_drop(&message);
        }
}

/* What filters put above our Received field is marked; state fields are left out of mailboxes
 * alone, wherever they are; what extensions the text needs is found in what they have made. */
static void filters_change_what_is_delivered(void **state)
{
    static const char above[] = "X-Top: 1\nStatus: RO\n", kept_above[] = "X-Top: 1\n";
    struct draft *draft = &message.draft;

    (void)state;
    message_init(&message);
    begin_filtered(false);
    assert_int_equal(message_text(&message, slice_of("Subject: x\n\nbody\n")), 0);
    assert_int_equal(message_end(&message), 0);
    assert_null(draft_insert_field(draft, 0, slice_of("Status"), slice_of(" RO")));
    assert_null(draft_insert_field(draft, 0, slice_of("X-Top"), slice_of(" 1")));
    assert_null(draft_add_field(draft, slice_of("X-UID"), slice_of(" 1\n 2")));
    assert_null(draft_change_field(draft, 1, slice_of("Subject"), slice_of(" \xc3\xb6")));
    assert_null(draft_body_part(draft, slice_of("new\nFrom here")));
    draft_keep(draft);
    assert_int_equal(message_filtered(&message), 0);
    assert_spool(&message.onward.spool, "X-Top: 1\nStatus: RO\nSubject: \xc3\xb6\nX-UID: 1\n 2\n\n"
                                        "new\nFrom here\n");
    assert_spool(&message.spool, "X-Top: 1\nSubject: \xc3\xb6\n\nnew\n>From here\n\n");
    assert_int_equal(message.above.onward, sizeof above - 1);
    assert_int_equal(message.above.spool, sizeof kept_above - 1);
    assert_int_equal(message.onward.lines, 8);
    assert_true(message.onward.utf8_header && message.onward.eight_bit);
    assert_spool(message_as_received(&message), "Subject: x\n\nbody\n");
    message_drop(&message);
}

static void a_header_of_a_filter_alone_is_a_header(void **state)
{
    (void)state;
    message_init(&message);
    begin_filtered(false);
    assert_int_equal(message_text(&message, slice_of("Hello,\nyou\n")), 0);
    assert_int_equal(message_end(&message), 0);
    assert_null(draft_add_field(&message.draft, slice_of("X"), slice_of(" y")));
    assert_int_equal(message_filtered(&message), 0);
    assert_spool(&message.onward.spool, "X: y\n\nHello,\nyou\n");
    assert_spool(&message.spool, "X: y\n\nHello,\nyou\n\n");
    message_drop(&message);
}

static void loops_are_found_in_what_was_received(void **state)
{
    (void)state;
    message_init(&message);
    begin_filtered(false);
    addresses[0] = '\0';
    assert_int_equal(
        message_text(&message, slice_of("Delivered-To: a@x\nReceived: by mx.example.org "
                                        "with LMTP id 1;\n\tnow\nSubject: x\n\n")),
        0);
    assert_int_equal(message_end(&message), 0);
    assert_string_equal(addresses, "a@x ");
    assert_null(draft_change_field(&message.draft, 1, slice_of("Delivered-To"), slice_of("")));
    draft_keep(&message.draft);
    assert_int_equal(message_look_for_loops(&message), 0);
    assert_string_equal(addresses, "a@x a@x ");
    assert_true(message.facts.has_received && !message.facts.has_date);
    assert_int_equal(message_filtered(&message), 0);
    assert_string_equal(addresses, "a@x a@x ");
    assert_spool(&message.spool,
                 "Received: by mx.example.org with LMTP id 1;\n\tnow\nSubject: x\n\n\n");
    message_drop(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_in_every_cut),
        cmocka_unit_test(a_message_for_mailboxes_alone_is_not_kept_twice),
        cmocka_unit_test(filters_are_let_through),
        cmocka_unit_test(filters_change_what_is_delivered),
        cmocka_unit_test(a_header_of_a_filter_alone_is_a_header),
        cmocka_unit_test(loops_are_found_in_what_was_received),
    };

    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
