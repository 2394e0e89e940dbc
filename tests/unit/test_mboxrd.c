/*
 * mboxrd: the form of a message in an mbox, however it is split.
 */
#include "../../smtpd/mailbox/mboxrd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T(text) text, sizeof text - 1

static const struct {
    const char *text;
    size_t len;
    const char *due;
    size_t due_len;
} examples[] = {
    {T("Subject: x\n\nbody\n"), T("Subject: x\n\nbody\n\n")},
    {T("Subject: x\n\nbody"), T("Subject: x\n\nbody\n\n")},

    /* no empty line in the message: two at its end */
    {T(""), T("\n\n")},
    {T("\n"), T("\n\n")},
    {T("Subject: x\n"), T("Subject: x\n\n\n")},
    {T("Subject: x"), T("Subject: x\n\n\n")},
    {T("Subject: x\n folded"), T("Subject: x\n folded\n\n\n")},
    {T("Subject: x\n\n"), T("Subject: x\n\n\n")},
    {T("Status: x"), T("\n\n")},
    {T("Status: x\n\n"), T("\n\n")},

    /* no header: an empty line before it */
    {T("Hello Bob,\nhow are you?\n"), T("\nHello Bob,\nhow are you?\n\n")},
    {T("Hello"), T("\nHello\n\n")},
    {T(" x\nStatus: y\n"), T("\n x\nStatus: y\n\n")},
    {T("\nx\n"), T("\nx\n\n")},
    {T("Status: x\nHello\nStatus: y\n"), T("\nHello\nStatus: y\n\n")},

    /* fields of state are left out, with their continuation lines, only in the header */
    {T("A:\nStatus: x\n y\nB:\n z\n\nStatus: x\n"), T("A:\nB:\n z\n\nStatus: x\n\n")},
    {T("A:\nStatus: x\n\t\n\nb\n"), T("A:\n\nb\n\n")},
    {T("X-IMAP: 1 2\nContent-length\t: 3\nA:\n\n"), T("A:\n\n\n")},
    {T("A:\nB\nStatus: x\n\n"), T("A:\nB\n\n\n")},

    /* From_ lines: fields before the header, quoted in it and in the body */
    {T("From root Mon\nA:\n\nFrom x\n"), T("X-Mailbox-Line: From root Mon\nA:\n\n>From x\n\n")},
    {T(">From a\nFrom b\nA:\n\n"), T("X-Mailbox-Line: >From a\nX-Mailbox-Line: From b\nA:\n\n\n")},
    {T("From x\n\nx\n"), T("X-Mailbox-Line: From x\n\nx\n\n")},
    {T("From x\nHello\nFrom x\n"), T("X-Mailbox-Line: From x\n\nHello\n>From x\n\n")},
    {T("From x"), T("X-Mailbox-Line: From x\n\n\n")},
    {T("A:\nFrom x\n>From y\n\n"), T("A:\n>From x\n>>From y\n\n\n")},
    {T("A:\nFro\0m x\n\n"), T("A:\n>From x\n\n\n")},
    {T("A:\n\nFrom "), T("A:\n\n>From \n\n")},
};

struct made {
    size_t len;
    char text[8192];
};

static void keep(void *context, const char *bytes, size_t len)
{
    struct made *made = context;

    assert_true(len <= sizeof made->text - made->len);
    memcpy(made->text + made->len, bytes, len);
    made->len += len;
}

static void feed(struct header *header, struct mboxrd *mboxrd, const char *text, size_t len)
{
    struct header_part part;

    for (size_t at = 0; at < len;) {
        at += header_next(header, (struct slice){text + at, len - at}, &part);
        mboxrd_part(mboxrd, &part);
    }
}

/* Like delivery.c. */
static void make(const char *text, size_t len, size_t at, size_t piece, struct made *made)
{
    struct header header = {0};
    struct mboxrd mboxrd;

    made->len = 0;
    mboxrd_begin(&mboxrd, keep, made);
    feed(&header, &mboxrd, text, at);
    for (size_t more; at < len; at += more) {
        more = len - at < piece ? len - at : piece;
        feed(&header, &mboxrd, text + at, more);
    }
    if (header_in_line(&header))
        feed(&header, &mboxrd, "\n", 1);
    mboxrd_end(&mboxrd);
}

static void messages_are_repaired_however_split(void **state)
{
    static struct made made;

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        size_t len = examples[i].len;
        for (size_t at = 0; at <= len + 6; at++) {
            bool pieces = at > len; /* of 1 to 6 bytes */
            make(examples[i].text, len, pieces ? 0 : at, pieces ? at - len : len, &made);
            if (made.len != examples[i].due_len ||
                memcmp(made.text, examples[i].due, made.len) != 0)
                fail_msg("'%s' cut at %zu: '%.*s'", examples[i].text, at, (int)made.len, made.text);
        }
    }
}

static size_t header_len(const struct made *made)
{
    const char *end = memmem(made->text, made->len, "\n\n", 2);

    return *made->text == '\n' ? 0 : (size_t)(end - made->text);
}

/* Random lines: however they are split, the result is the same, no line can pass for a From_ line,
 * the header has no NUL, and there is an empty line in the message besides the one at its end. */
static void random_messages_are_safe_however_split(void **state)
{
    static const char *const lines[] = {"\n",   "From x\n", ">From x\n", "Status: x\n", "A: b\n",
                                        " x\n", "x\n",      "A",         "\0",          "Status",
                                        ":",    "From ",    ">"};
    static struct made whole, cut;

    (void)state;
    srandom(1);
    for (int i = 0; i < 20000; i++) {
        char text[128];
        size_t len = 0;
        for (long count = random() % 8; count > 0; count--) {
            size_t line = (size_t)random() % (sizeof lines / sizeof lines[0]);
            size_t some = *lines[line] == '\0' ? 1 : strlen(lines[line]);
            memcpy(text + len, lines[line], some);
            len += some;
        }
        make(text, len, 0, SIZE_MAX, &whole);
        make(text, len, (size_t)random() % (len + 1), 1 + (size_t)random() % 9, &cut);
        assert_int_equal(whole.len, cut.len);
        assert_memory_equal(whole.text, cut.text, whole.len);
        assert_true(whole.len >= 2 && memcmp(whole.text + whole.len - 2, "\n\n", 2) == 0);
        assert_true(memcmp(whole.text, "From ", 5) != 0);
        assert_null(memmem(whole.text, whole.len, "\nFrom ", 6));
        assert_null(memchr(whole.text, '\0', header_len(&whole)));
        assert_true(*whole.text == '\n' ||
                    (char *)memmem(whole.text, whole.len, "\n\n", 2) < whole.text + whole.len - 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_repaired_however_split),
        cmocka_unit_test(random_messages_are_safe_however_split),
    };

    return cmocka_run_group_tests_name("mboxrd", tests, NULL, NULL);
}
