/*
 * header: the parts of a message, however it is split.
 */
#include "../../smtpd/mailbox/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100
#define B10 "          "
#define B100 B10 B10 B10 B10 B10 B10 B10 B10 B10 B10
#define B1000 B100 B100 B100 B100 B100 B100 B100 B100 B100 B100

enum { TEXT_MAX = 8192 };

/* Each part is written as its letter and its text; adjacent rests are joined. */
static const char letters[] = {
    [HEADER_FIELD] = 'F', [HEADER_STATE] = 'S', [HEADER_FROM] = 'M',
    [HEADER_OTHER] = 'O', [HEADER_REST] = 'r',  [HEADER_BODY] = 'B',
};

#define T(text) text, sizeof text - 1

static const struct {
    const char *text;
    size_t len;
    const char *parts;
    size_t parts_len;
} examples[] = {
    {T("Subject: x\nTo: y\n\nbody\n"), T("F[Subject: x\n]F[To: y\n]B[\nbody\n]")},
    {T("Subject: x\n folded\n\tmore\nTo: y\n"), T("F[Subject: x\n]r[ folded\n\tmore\n]F[To: y\n]")},
    {T("Subject : x\nTo\t \t: y\n\n"), T("F[Subject : x\n]F[To\t \t: y\n]B[\n]")},
    {T("\nSubject: x\n"), T("B[\nSubject: x\n]")},
    {T(" Subject: x\nTo: y\n"), T("B[ Subject: x\nTo: y\n]")},
    {T("\tx\n"), T("B[\tx\n]")},
    {T("Hello Bob,\nStatus: x\n"), T("B[Hello Bob,\nStatus: x\n]")},
    {T("Hello\n\nx\n"), T("B[Hello\n\nx\n]")},
    {T("Hello Bob: x\n"), T("B[Hello Bob: x\n]")},
    {T(": x\n"), T("B[: x\n]")},
    {T("\xff: x\n"), T("B[\xff: x\n]")},
    {T("a\0: x\n"), T("F[a: x\n]")},
    {T("S:\nHello Bob,\n x\nT:\n\nx"), T("F[S:\n]O[Hello Bob,\n]r[ x\n]F[T:\n]B[\nx]")},
    {T("S:\nFrom x\n\n"), T("F[S:\n]O[From x\n]B[\n]")},
    {T("From x: y\n>From z\n>>From\nS:\n\n"), T("M[From x: y\n]M[>From z\n]B[>>From\nS:\n\n]")},
    {T("From x\n y\nS:\n\n"), T("M[From x\n]r[ y\n]F[S:\n]B[\n]")},
    {T("From: x\n>From: x\n"), T("F[From: x\n]F[>From: x\n]")},
    {T("Status: RO\nS:\nstatus:RO\nSTATUS \t : x\n y\nT:\n"),
     T("S[Status: RO\n]F[S:\n]S[status:RO\n]S[STATUS \t : x\n]r[ y\n]F[T:\n]")},
    {T("Status: RO\nHello\n\n"), T("S[Status: RO\n]B[Hello\n\n]")},
    {T("Status: RO\n\nStatus: RO\n"), T("S[Status: RO\n]B[\nStatus: RO\n]")},
    {T("Status: RO\nFrom x\nS:\n"), T("S[Status: RO\n]M[From x\n]F[S:\n]")},
    {T("Statu: x\nStatuss: x\nX-Statu: x\nX-UIDs: x\nContent-Lengths: 1\nLines: 1\n"),
     T("F[Statu: x\n]F[Statuss: x\n]F[X-Statu: x\n]F[X-UIDs: x\n]F[Content-Lengths: 1\n]"
       "F[Lines: 1\n]")},
    {T("S:\nStatus\0: y\nStatus \0\n"), T("F[S:\n]S[Status: y\n]O[Status \n]")},
    {T("S:\nSta\0x\ntus: y\n\0x\n"), T("F[S:\n]O[Stax\n]F[tus: y\n]O[x\n]")},
    {T("S:\nSta\0tus: R\n x\nTo\0: y\n"), T("F[S:\n]S[Status: R\n]r[ x\n]F[To: y\n]")},
    {T("S: \0x\0\n \0\n\0\0 y\n"), T("F[S: x\n]r[ \n y\n]")},
    {T("S: x\0\n\nT\0:\n"), T("F[S: x\n]B[\nT\0:\n]")},
    {T("S:\n\0\0\nT\0:\n"), T("F[S:\n]B[\nT\0:\n]")},
    {T("\0\nT\0:\n"), T("B[\nT\0:\n]")},
    {T("Status: R\n\0 x\nS:\n"), T("S[Status: R\n]r[ x\n]F[S:\n]")},
    {T("\0Fr\0om x\nS:\n"), T("M[From x\n]F[S:\n]")},
    {T(X1000 X1000 "\nS:\n"), T("B[" X1000 X1000 "\nS:\n]")},
    {T("S: " X1000 X1000 "\nT:\n"),
     T("F[S: " X1000 X10 X10
       "x]r[" X100 X100 X100 X100 X100 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10
       "xxxxxxxxx\n]F[T:\n]")},
    {T("Status" B1000 B1000 ": x\nS:\n"),
     T("S[Status" B1000 B10
       "        ]r[" B100 B100 B100 B100 B100 B100 B100 B100 B100 B10 B10 B10 B10 B10 B10 B10 B10
       "  : x\n]F[S:\n]")},
};

struct parts {
    size_t len;
    enum header_kind last;
    char text[TEXT_MAX];
};

static void add(struct parts *parts, const char *text, size_t len)
{
    assert_true(parts->len + len < sizeof parts->text);
    memcpy(parts->text + parts->len, text, len);
    parts->len += len;
}

static void feed(struct header *header, const char *text, size_t len, struct parts *parts)
{
    struct header_part part;

    for (size_t at = 0, taken; at < len; at += taken) {
        taken = header_next(header, (struct slice){text + at, len - at}, &part);
        assert_true(taken > 0 && taken <= len - at);
        if (part.kind == HEADER_NONE)
            continue;
        assert_true(part.text.len > 0);
        if (part.kind == parts->last && (part.kind == HEADER_REST || part.kind == HEADER_BODY)) {
            parts->len--;
        } else {
            add(parts, &letters[part.kind], 1);
            add(parts, "[", 1);
        }
        parts->last = part.kind;
        add(parts, part.text.at, part.text.len);
        add(parts, "]", 1);
    }
}

static void cut(const char *text, size_t len, size_t at, size_t piece, struct parts *parts)
{
    struct header header = {0};

    *parts = (struct parts){0};
    feed(&header, text, at, parts);
    for (size_t more; at < len; at += more) {
        more = len - at < piece ? len - at : piece;
        feed(&header, text + at, more, parts);
    }
}

static void parts_are_found_however_split(void **state)
{
    static struct parts parts;

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        size_t len = examples[i].len;
        for (size_t at = 0; at <= len + 6; at++) {
            bool pieces = at > len; /* of 1 to 6 bytes */
            cut(examples[i].text, len, pieces ? 0 : at, pieces ? at - len : len, &parts);
            if (parts.len != examples[i].parts_len ||
                memcmp(parts.text, examples[i].parts, parts.len) != 0)
                fail_msg("'%s' cut at %zu: %.*s", examples[i].text, at, (int)parts.len, parts.text);
        }
    }
}

/* Every field in which readers keep state, in any case and with blanks. */
static void fields_of_state_are_known(void **state)
{
    static const char *const names[] = {
        "Content-Length", "Status",           "X-Status",          "X-Keywords",
        "X-UID",          "X-IMAP",           "X-IMAPbase",        "X-UIDL",
        "X-Delivery-ID",  "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys",
        "X-Evolution",
    };
    static const char *const ends[] = {": 1\n", ":\n", " :1\n", "\t \t: 1\n"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t form = 0; form < 2 * (sizeof ends / sizeof ends[0]); form++) {
            static struct parts parts;
            char text[64];
            snprintf(text, sizeof text, "%s%s", names[i], ends[form / 2]);
            for (char *c = text; form % 2 == 1 && *c != '\0'; c++)
                *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
            cut(text, strlen(text), 0, SIZE_MAX, &parts);
            if (parts.last != HEADER_STATE)
                fail_msg("%s is kept", text);
        }
    }
}

static void a_line_is_open_until_its_end(void **state)
{
    static const struct {
        const char *text;
        bool open;
    } lines[] = {
        {"", false},
        {"S", true},
        {"S: x", true},
        {"S: x\n", false},
        {"S:\n x", true},
        {"S:\n x\n", false},
        {"\n", false},
        {"\nx", false},
        {" x", false},
        {"x\n", false},
        {"S: " X1000 X1000, true},
        {"S: " X1000 X1000 "\n", false},
    };
    static struct parts parts;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct header header = {0};
        parts = (struct parts){0};
        feed(&header, lines[i].text, strlen(lines[i].text), &parts);
        if (header_in_line(&header) != lines[i].open)
            fail_msg("'%s'", lines[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_found_however_split),
        cmocka_unit_test(fields_of_state_are_known),
        cmocka_unit_test(a_line_is_open_until_its_end),
    };

    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
