/*
 * draft: how a text is split for filters, what their changes make of it, and what undo restores.
 */
#include "../../smtpd/base/field.h"
#include "../../smtpd/mailbox/draft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONGEST = 4 * DRAFT_HEADER_MAX };

static struct draft draft;
static struct header header;
static char folder[] = "/tmp/mailslot-test-XXXXXX";
static const char *root = folder;

static void feed(struct slice text)
{
    struct header_part part;

    while (text.len > 0) {
        text = slice_from(text, header_next(&header, text, &part));
        draft_part(&draft, &part);
    }
}

static void begin(void)
{
    draft_drop(&draft);
    draft_begin(&draft, root, LONGEST);
    header = (struct header){0};
}

static void end(void)
{
    if (header_in_line(&header))
        feed(slice_of("\n"));
    draft_end(&draft);
    assert_int_equal(draft.error, 0);
}

static void begin_with(const char *text)
{
    begin();
    feed(slice_of(text));
    end();
    assert_false(draft.too_large);
}

struct copy {
    char text[4096];
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

static void assert_body(const char *due)
{
    struct copy copy = {.len = 0};

    assert_int_equal(draft_copy_body(&draft, add, &copy), 0);
    assert_string_equal(copy.text, due);
}

/* The header; "|" stands for our Received field. */
static void assert_header(const char *due)
{
    char text[4096];
    struct slice all = draft_header(&draft);

    snprintf(text, sizeof text, "%.*s|%.*s", SLICE(draft_above(&draft)),
             SLICE(slice_from(all, draft_above(&draft).len)));
    assert_string_equal(text, due);
}

/* ---- as it is received -------------------------------------------------------------------------
 */

#define BLANKS_64 "                                                                "
#define BLANKS_512 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64

static const struct {
    const char *text;
    const char *header;
    const char *body;
} received[] = {
    {"Subject: x\n\nbody\n", "|Subject: x\n", "body\n"},
    {"Subject: x\n y\n\tz\nTo: y\n\n", "|Subject: x\n y\n\tz\nTo: y\n", ""},
    {"Subject: x\n", "|Subject: x\n", ""},
    {"Subject: x", "|Subject: x\n", ""},
    {"Subject: x\n\nbody", "|Subject: x\n", "body"},
    {"\nbody\n", "|", "body\n"},
    {"\n\nbody\n", "|", "\nbody\n"},
    {"", "|", ""},
    {"\n", "|", ""},

    /* what filters must see, although mboxes must not have it */
    {"Status: RO\nX-UID: 1\n 2\nSubject: x\n\nFrom a\n\n",
     "|Status: RO\nX-UID: 1\n 2\nSubject: x\n", "From a\n\n"},
    {"Subject : x\n\nb\n", "|Subject : x\n", "b\n"},

    /* the first line that is not a field ends the header */
    {"Hello\nSubject: x\n\nb\n", "|", "Hello\nSubject: x\n\nb\n"},
    {" folded\nSubject: x\n", "|", " folded\nSubject: x\n"},
    {"Subject: x\nHello\nTo: y\n\nb\n", "|Subject: x\n", "Hello\nTo: y\n\nb\n"},
    {"Subject: x\nHello\n folded\nTo: y\n\nb\n", "|Subject: x\n", "Hello\n folded\nTo: y\n\nb\n"},
    {"Subject: x\nHello\nFrom a b\n", "|Subject: x\n", "Hello\nFrom a b\n"},
    {"Subject: x\n: y\n\nb\n", "|Subject: x\n", ": y\n\nb\n"},
    {"Subject: x\nStatus" BLANKS_512 BLANKS_512 ": RO\nTo: y\n\nb\n", "|Subject: x\n",
     "Status" BLANKS_512 BLANKS_512 ": RO\nTo: y\n\nb\n"},

    /* what is made a field before it comes to filters */
    {"From a b\n>From c d\nSubject: x\n\nb\n",
     "|X-Mailbox-Line: From a b\nX-Mailbox-Line: >From c d\nSubject: x\n", "b\n"},
    {"Status: x\nFrom a b\n\nb\n", "|Status: x\nX-Mailbox-Line: From a b\n", "b\n"},
};

static void a_text_is_split_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof received / sizeof received[0]; i++)
        for (size_t cut = 0; cut <= strlen(received[i].text); cut++) {
            begin();
            feed((struct slice){received[i].text, cut});
            feed(slice_from(slice_of(received[i].text), cut));
            end();
            assert_header(received[i].header);
            assert_body(received[i].body);
        }
}

static void the_header_is_bounded(void **state)
{
    static char line[1000];

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "A: ", 3);
    line[sizeof line - 1] = '\n';
    begin();
    for (size_t i = 0; i < DRAFT_HEADER_MAX / sizeof line; i++)
        feed((struct slice){line, sizeof line});
    end();
    assert_false(draft.too_large);
    draft_put_on_top(&draft, slice_of("Date: x\n"));
    assert_false(draft.too_large);
    draft_put_on_top(&draft, (struct slice){line, sizeof line});
    assert_true(draft.too_large);

    begin();
    for (size_t i = 0; i <= DRAFT_HEADER_MAX / sizeof line; i++)
        feed((struct slice){line, sizeof line});
    end();
    assert_true(draft.too_large);
}

/* ---- fields ------------------------------------------------------------------------------------
 */

static void fields_are_taken_one_by_one(void **state)
{
    struct slice rest = slice_of("A: 1\nB: 2\n 3\n\t\nC:\n");

    (void)state;
    assert_true(slice_is(draft_next_field(&rest), "A: 1\n"));
    assert_true(slice_is(draft_next_field(&rest), "B: 2\n 3\n\t\n"));
    assert_true(slice_is(draft_next_field(&rest), "C:\n"));
    assert_int_equal(draft_next_field(&rest).len, 0);
}

/* A change: + adds, a number inserts, ~ changes (or deletes) the one with this number; then the
 * name, ":" and the value. */
static const char *change(const char *what)
{
    bool changes = *what == '~', adds = *what == '+';
    size_t index = strtoul(what + (changes || adds), NULL, 10);
    struct slice value = slice_of(what + strcspn(what, " ") + 1);
    struct slice name = slice_cut(&value, ':');

    return adds      ? draft_add_field(&draft, name, value)
           : changes ? draft_change_field(&draft, index, name, value)
                     : draft_insert_field(&draft, index, name, value);
}

static const struct {
    const char *changes[5];
    const char *header; /* of what was "A: 1\nb: 2\n 2\nA: 3\n" */
} changed[] = {
    {{"+ X: y"}, "|A: 1\nb: 2\n 2\nA: 3\nX: y\n"},
    {{"+ X:y", "+ Z:\tw\n v"}, "|A: 1\nb: 2\n 2\nA: 3\nX:y\nZ:\tw\n v\n"},
    {{"+ X:"}, "|A: 1\nb: 2\n 2\nA: 3\nX:\n"},

    /* ours is number 0, until something comes above it */
    {{"0 X: y"}, "X: y\n|A: 1\nb: 2\n 2\nA: 3\n"},
    {{"1 X: y"}, "|X: y\nA: 1\nb: 2\n 2\nA: 3\n"},
    {{"2 X: y"}, "|A: 1\nX: y\nb: 2\n 2\nA: 3\n"},
    {{"3 X: y"}, "|A: 1\nb: 2\n 2\nX: y\nA: 3\n"},
    {{"4 X: y"}, "|A: 1\nb: 2\n 2\nA: 3\nX: y\n"},
    {{"99 X: y"}, "|A: 1\nb: 2\n 2\nA: 3\nX: y\n"},
    {{"4294967295 X: y"}, "|A: 1\nb: 2\n 2\nA: 3\nX: y\n"},
    {{"0 X: y", "0 Z: w"}, "Z: w\nX: y\n|A: 1\nb: 2\n 2\nA: 3\n"},
    {{"0 X: y", "1 Z: w"}, "X: y\nZ: w\n|A: 1\nb: 2\n 2\nA: 3\n"},
    {{"0 X: y", "2 Z: w"}, "X: y\n|Z: w\nA: 1\nb: 2\n 2\nA: 3\n"},
    {{"0 X: y\n\ty", "3 Z: w"}, "X: y\n\ty\n|A: 1\nZ: w\nb: 2\n 2\nA: 3\n"},
    {{"1 X: y", "1 Z: w"}, "|Z: w\nX: y\nA: 1\nb: 2\n 2\nA: 3\n"},

    /* by name, from 1 */
    {{"~1 A: new"}, "|A: new\nb: 2\n 2\nA: 3\n"},
    {{"~0 A: new"}, "|A: new\nb: 2\n 2\nA: 3\n"},
    {{"~2 a: new"}, "|A: 1\nb: 2\n 2\na: new\n"},
    {{"~3 A: new"}, "|A: 1\nb: 2\n 2\nA: 3\nA: new\n"},
    {{"~1 B:n\n e\n w"}, "|A: 1\nB:n\n e\n w\nA: 3\n"},
    {{"~1 X: new"}, "|A: 1\nb: 2\n 2\nA: 3\nX: new\n"},
    {{"~1 B:"}, "|A: 1\nA: 3\n"},
    {{"~2 A:"}, "|A: 1\nb: 2\n 2\n"},
    {{"~1 A:", "~1 A:"}, "|b: 2\n 2\n"},
    {{"~3 A:"}, "|A: 1\nb: 2\n 2\nA: 3\n"},
    {{"~1 X:"}, "|A: 1\nb: 2\n 2\nA: 3\n"},
    {{"~1 A:", "~1 A:", "~1 B:"}, "|"},
    {{"~1 A:", "~1 A:", "~1 B:", "+ X: y", "0 Z: w"}, "Z: w\n|X: y\n"},

    /* those above ours are found, too */
    {{"0 X: y", "~1 X: z"}, "X: z\n|A: 1\nb: 2\n 2\nA: 3\n"},
    {{"0 X: y", "~1 X:", "1 Z: w"}, "|Z: w\nA: 1\nb: 2\n 2\nA: 3\n"},
    {{"0 A: 0", "~2 A: new"}, "A: 0\n|A: new\nb: 2\n 2\nA: 3\n"},
    {{"+ X: y", "~1 X: z"}, "|A: 1\nb: 2\n 2\nA: 3\nX: z\n"},

    /* what is refused changes nothing */
    {{"!+ : y"}, NULL},
    {{"!+ X Y: z"}, NULL},
    {{"!1 X\ty: z"}, NULL},
    {{"!~1 \xc3\xb6: z"}, NULL},
    {{"!+ X: y\r"}, NULL},
    {{"!+ X: y\r\n z"}, NULL},
    {{"!+ X: y\nZ: w"}, NULL},
    {{"!0 X: y\n\n z"}, NULL},
    {{"!+ X: y\n"}, NULL},
    {{"!+ X:\n"}, NULL},
    {{"!~1 A: y\nZ: w"}, NULL},
    {{"!~9 A: y\nZ: w"}, NULL},
};

static void fields_are_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        const char *const *changes = changed[i].changes;
        begin_with("A: 1\nb: 2\n 2\nA: 3\n\nbody\n");
        for (size_t j = 0; j < 5 && changes[j] != NULL; j++) {
            if (*changes[j] == '!')
                assert_non_null(change(changes[j] + 1));
            else
                assert_null(change(changes[j]));
        }
        assert_header(changed[i].header == NULL ? "|A: 1\nb: 2\n 2\nA: 3\n" : changed[i].header);
        assert_body("body\n");
        draft_undo(&draft);
        assert_header("|A: 1\nb: 2\n 2\nA: 3\n");
    }
}

static void a_nul_is_refused(void **state)
{
    (void)state;
    begin_with("A: 1\n\nbody\n");
    assert_non_null(draft_add_field(&draft, slice_of("X"), (struct slice){"a\0b", 3}));
    assert_non_null(draft_add_field(&draft, (struct slice){"a\0b", 3}, slice_of(" x")));
    assert_header("|A: 1\n");
}

static void a_name_has_a_longest(void **state)
{
    char name[FIELD_NAME_MAX + 1];

    (void)state;
    memset(name, 'x', sizeof name);
    begin_with("A: 1\n\nbody\n");
    assert_null(draft_add_field(&draft, (struct slice){name, FIELD_NAME_MAX}, slice_of(" y")));
    assert_non_null(
        draft_add_field(&draft, (struct slice){name, FIELD_NAME_MAX + 1}, slice_of(" y")));
}

/* As many as fit, and not one more; what was there stays. */
static void added_fields_are_bounded(void **state)
{
    static char value[8191];
    size_t added = 0, above = 0;

    (void)state;
    memset(value, 'x', sizeof value);
    begin_with("A: 1\n\nbody\n");
    while (draft_add_field(&draft, slice_of("X"), (struct slice){value, sizeof value - 2}) == NULL)
        added++;
    assert_int_equal(added, DRAFT_HEADER_MAX / (sizeof value + 1) - 1);
    assert_in_range(draft_header(&draft).len, 1, DRAFT_HEADER_MAX);
    draft_undo(&draft);
    assert_header("|A: 1\n");
    while (draft_insert_field(&draft, 0, slice_of("X"), (struct slice){value, sizeof value - 2}) ==
           NULL)
        above++;
    assert_int_equal(above, DRAFT_ABOVE_MAX / (sizeof value + 1));
    assert_int_equal(draft_above(&draft).len, DRAFT_ABOVE_MAX);
    assert_non_null(
        draft_change_field(&draft, 1, slice_of("X"), (struct slice){value, sizeof value - 1}));
    draft_undo(&draft);
    assert_header("|A: 1\n");
}

/* ---- the body ----------------------------------------------------------------------------------
 */

static void a_body_is_replaced(void **state)
{
    (void)state;
    begin_with("A: 1\n\nbody\n");
    assert_null(draft_body_part(&draft, slice_of("new\n")));
    assert_true(draft.body_changed);
    assert_body("body\n");
    assert_null(draft_body_part(&draft, slice_of("")));
    assert_null(draft_body_part(&draft, slice_of("lines")));
    draft_keep(&draft);
    assert_false(draft.body_changed);
    assert_body("new\nlines");

    assert_null(draft_body_part(&draft, slice_of("lost\n")));
    draft_undo(&draft);
    assert_body("new\nlines");

    assert_null(draft_body_part(&draft, slice_of("third\n")));
    draft_keep(&draft);
    assert_body("third\n");
    assert_null(draft_body_part(&draft, slice_of("")));
    draft_keep(&draft);
    assert_body("");
    assert_int_equal(draft.error, 0);
}

static void a_body_has_no_cr(void **state)
{
    (void)state;
    begin_with("A: 1\n\nbody\n");
    assert_non_null(draft_body_part(&draft, slice_of("new\r\nlines\n")));
    draft_undo(&draft);
    assert_body("body\n");
    assert_null(draft_body_part(&draft, (struct slice){"a\0\n", 3}));
}

static int count(void *context, const char *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)context += len;
    return 0;
}

/* Header and body together: as large as the largest message, and the growth. */
static void a_body_is_bounded(void **state)
{
    static char part[65536];
    size_t parts = 0, size = 0;

    (void)state;
    memset(part, 'x', sizeof part);
    begin_with("A: 1\n\nbody\n");
    while (draft_body_part(&draft, (struct slice){part, sizeof part}) == NULL)
        parts++;
    assert_int_equal(parts, (LONGEST + DRAFT_GROWTH_MAX) / sizeof part - 1);
    draft_keep(&draft);
    assert_int_equal(draft.error, 0);
    assert_int_equal(draft_copy_body(&draft, count, &size), 0);
    assert_int_equal(size, parts * sizeof part);
    for (size_t i = 1; i < sizeof part / 32768; i++)
        assert_null(draft_add_field(&draft, slice_of("X"), (struct slice){part, 32768}));
    assert_non_null(draft_add_field(&draft, slice_of("X"), (struct slice){part, 32768}));
}

/* ---- errors ------------------------------------------------------------------------------------
 */

static void a_spool_without_a_place_is_an_error(void **state)
{
    static char part[65536];

    (void)state;
    memset(part, 'x', sizeof part);
    root = "/dev/null/nowhere";
    begin_with("A: 1\n\nbody\n");
    root = folder;
    for (size_t i = 0; i < 3; i++)
        assert_null(draft_body_part(&draft, (struct slice){part, sizeof part}));
    assert_int_not_equal(draft.error, 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

/* No file in it has a name. */
static int remove_folder(void **state)
{
    (void)state;
    draft_drop(&draft);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_split_in_every_cut),
        cmocka_unit_test(the_header_is_bounded),
        cmocka_unit_test(fields_are_taken_one_by_one),
        cmocka_unit_test(fields_are_changed),
        cmocka_unit_test(a_nul_is_refused),
        cmocka_unit_test(a_name_has_a_longest),
        cmocka_unit_test(added_fields_are_bounded),
        cmocka_unit_test(a_body_is_replaced),
        cmocka_unit_test(a_body_has_no_cr),
        cmocka_unit_test(a_body_is_bounded),
        cmocka_unit_test(a_spool_without_a_place_is_an_error),
    };

    return cmocka_run_group_tests_name("draft", tests, make_folder, remove_folder);
}
