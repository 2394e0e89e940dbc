/*
 * data: the text of a message, wherever its packets are split. Each example is fed in one piece,
 * byte by byte, and in two and three pieces split at every byte; the text, size, fault and end must
 * always be the same. Then all short sequences of the bytes that matter are compared with a second
 * implementation of the rule, which is obvious instead of fast.
 */
#include "../../smtpd/front/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

enum { NO_LIMIT = 1 << 30, INPUT_MAX = 512 };

struct result {
    bool complete;
    size_t end; /* how much was read */
    enum verdict fault;
    uint64_t size;
    size_t len;
    char text[2 * INPUT_MAX];
};

/* Feeds in[from..to), checks what data_feed() promises about lengths, and adds to the result. */
static void feed(struct data *data, const char *in, size_t from, size_t to, struct result *result)
{
    static char out[INPUT_MAX + 2];
    size_t len = to - from, made = 0;

    if (result->complete || len == 0)
        return;
    size_t used = data_feed(data, in + from, len, out, &made);
    result->complete = data->state == DATA_COMPLETE;
    assert_true(made <= len + 1);
    assert_true(used <= len);
    assert_true(result->complete || used == len);
    memcpy(result->text + result->len, out, made);
    result->len += made;
    result->end = from + used;
    result->fault = data->fault;
    result->size = data->size;
}

/* The result of a message split at a and at b. */
static struct result feed_cut(const struct data *begin, const char *in, size_t len, size_t a,
                              size_t b)
{
    struct data data = *begin;
    struct result result = {0};

    feed(&data, in, 0, a, &result);
    feed(&data, in, a, b, &result);
    feed(&data, in, b, len, &result);
    return result;
}

static struct result feed_bytes(const struct data *begin, const char *in, size_t len)
{
    struct data data = *begin;
    struct result result = {0};

    for (size_t i = 0; i < len; i++)
        feed(&data, in, i, i + 1, &result);
    return result;
}

/* After a fault the text is not used: then only the fault and the end are compared. */
static bool same(const struct result *a, const struct result *b)
{
    if (a->complete != b->complete || a->end != b->end || a->fault != b->fault)
        return false;
    return a->fault != VERDICT_OK ||
           (a->size == b->size && a->len == b->len && memcmp(a->text, b->text, a->len) == 0);
}

static const struct example {
    const char *in;
    size_t in_len;
    const char *text;
    size_t text_len;
    enum verdict fault;
    uint64_t size;
    size_t unread; /* of the input, after the end */
    bool normalise;
} examples[] = {
    /* the end */
    {TEXT(".\r\n"), TEXT(""), VERDICT_OK, 0, 0, false},
    {TEXT("\r\n.\r\n"), TEXT("\n"), VERDICT_OK, 2, 0, false},
    {TEXT("a\r\n.\r\nQUIT\r\n"), TEXT("a\n"), VERDICT_OK, 3, 6, false},
    {TEXT("a\r\n.\r\n.\r\n"), TEXT("a\n"), VERDICT_OK, 3, 3, false},
    {TEXT("a: b\r\n\r\nc\r\n.\r\n"), TEXT("a: b\n\nc\n"), VERDICT_OK, 11, 0, false},
    /* dots: the first one on a line is removed */
    {TEXT("..\r\n.\r\n"), TEXT(".\n"), VERDICT_OK, 3, 0, false},
    {TEXT("...\r\n..a\r\n.b\r\nc.\r\n.\r\n"), TEXT("..\n.a\nb\nc.\n"), VERDICT_OK, 15, 0, false},
    {TEXT("a\r\n. \r\n.\r\n"), TEXT("a\n \n"), VERDICT_OK, 6, 0, false},
    /* any byte is text */
    {TEXT("\0\x80\xff\t\x1a\r\n.\r\n"), TEXT("\0\x80\xff\t\x1a\n"), VERDICT_OK, 7, 0, false},
    {TEXT("a\r\n\0.\r\n.\r\n"), TEXT("a\n\0.\n"), VERDICT_OK, 7, 0, false},
    /* a bare CR or LF is a fault, and does not end the text */
    {TEXT("a\nb\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\rb\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\n.\nMAIL\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\r\n.\nMAIL\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\n.\r\nMAIL\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\r.\rMAIL\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\r\n.\rMAIL\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\r\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\r\n.\r\r\nb\r\n.\r\n"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 0, false},
    {TEXT("a\n\r\n.\r\nb"), TEXT(""), VERDICT_BARE_NEWLINE, 0, 1, false},
    /* or it ends a line, but still not the text */
    {TEXT("a\nb\rc\r\n.\r\n"), TEXT("a\nb\nc\n"), VERDICT_OK, 9, 0, true},
    {TEXT("a\n.\nMAIL\r\n.\r\n"), TEXT("a\n.\nMAIL\n"), VERDICT_OK, 12, 0, true},
    {TEXT("a\n.\r\nMAIL\r\n.\r\n"), TEXT("a\n.\nMAIL\n"), VERDICT_OK, 12, 0, true},
    {TEXT("a\r\n.\nMAIL\r\n.\r\n"), TEXT("a\n\nMAIL\n"), VERDICT_OK, 11, 0, true},
    {TEXT("a\r\n.\rMAIL\r\n.\r\n"), TEXT("a\n\nMAIL\n"), VERDICT_OK, 11, 0, true},
    {TEXT("a\r.\r\nMAIL\r\n.\r\n"), TEXT("a\n.\nMAIL\n"), VERDICT_OK, 12, 0, true},
    {TEXT("a\r\n.\r\r\nb\r\n.\r\n"), TEXT("a\n\n\nb\n"), VERDICT_OK, 10, 0, true},
    {TEXT("a\r\r\n.\r\n"), TEXT("a\n\n"), VERDICT_OK, 5, 0, true},
    {TEXT("\n\r\r\n.\r\n"), TEXT("\n\n\n"), VERDICT_OK, 6, 0, true},
};

static void assert_result(const char *in, size_t len, const char *how, const struct result *due,
                          const struct result *got)
{
    if (same(due, got))
        return;
    print_error("  input (%zu bytes), %s:", len, how);
    for (size_t i = 0; i < len; i++)
        print_error(" %02x", (unsigned char)in[i]);
    fail_msg("end %zu fault %d size %zu made %zu, but got end %zu fault %d size %zu made %zu",
             due->end, (int)due->fault, (size_t)due->size, due->len, got->end, (int)got->fault,
             (size_t)got->size, got->len);
}

/* Splits the input in every way. */
static void assert_however_cut(const struct data *begin, const char *in, size_t len,
                               const struct result *due)
{
    struct result got = feed_bytes(begin, in, len);

    assert_result(in, len, "byte by byte", due, &got);
    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b++) {
            got = feed_cut(begin, in, len, a, b);
            assert_result(in, len, "cut", due, &got);
        }
    }
}

static void examples_are_read_however_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct example *example = &examples[i];
        struct result due = {.complete = true,
                             .end = example->in_len - example->unread,
                             .fault = example->fault,
                             .size = example->size,
                             .len = example->text_len};
        struct data begin;

        memcpy(due.text, example->text, example->text_len);
        data_begin(&begin, false, example->normalise ? DATA_NORMALISE : DATA_REJECT, NO_LIMIT,
                   NO_LIMIT);
        assert_however_cut(&begin, example->in, example->in_len, &due);
    }
}

/* RFC 5321 2.3.8, 4.1.1.4, 4.5.2, one rule per branch; the message is complete. */
static struct result model(const char *in, bool normalise)
{
    struct result result = {0};
    bool at_start = true;
    const char *at = in;

    while (!(at_start && strncmp(at, ".\r\n", 3) == 0)) {
        if (at_start && *at == '.') {
            at_start = false;
            at++;
        } else if (at[0] == '\r' && at[1] == '\n') {
            result.text[result.len++] = '\n';
            result.size += 2;
            at_start = true;
            at += 2;
        } else {
            bool bare = *at == '\r' || *at == '\n';
            if (bare && !normalise)
                result.fault = VERDICT_BARE_NEWLINE;
            result.text[result.len++] = bare ? '\n' : *at;
            result.size += bare ? 2 : 1;
            at_start = false;
            at++;
        }
    }
    result.complete = true;
    result.end = (size_t)(at + 3 - in);
    return result;
}

/* RFC 3030: the same without dots and without an end mark. */
static struct result model_of_chunks(const char *in, size_t len, enum data_newlines newlines)
{
    struct result result = {.complete = true, .end = len};

    for (size_t at = 0; at < len;) {
        bool crlf = in[at] == '\r' && at + 1 < len && in[at + 1] == '\n';
        bool bare = !crlf && (in[at] == '\r' || in[at] == '\n');
        if (bare && (newlines == DATA_REJECT || (newlines == DATA_NORMALISE_LF && in[at] == '\r')))
            result.fault = VERDICT_BARE_NEWLINE;
        result.text[result.len++] = crlf || bare ? '\n' : in[at];
        result.size += crlf || bare ? 2 : 1;
        at += crlf ? 2 : 1;
    }
    if (result.len > 0 && result.text[result.len - 1] != '\n')
        result.text[result.len++] =
            '\n'; /* not counted in the size, which is that of what was sent */
    return result;
}

/* Split into two chunks anywhere. */
static void compare_chunks(const char *in, size_t len, enum data_newlines newlines)
{
    static const char *const how[] = {"chunks", "chunks, normalised", "chunks, LF normalised"};
    struct result due = model_of_chunks(in, len, newlines);

    for (size_t cut = 0; cut <= len; cut++) {
        struct data data;
        struct result got = {.end = len};
        size_t made;
        data_begin(&data, true, newlines, NO_LIMIT, NO_LIMIT);
        assert_int_equal(data_feed(&data, in, cut, got.text, &made), cut);
        got.len = made;
        assert_int_equal(data_feed(&data, in + cut, len - cut, got.text + got.len, &made),
                         len - cut);
        got.len += made;
        assert_true(data.state != DATA_COMPLETE);
        got.len += data_end(&data, got.text + got.len);
        got.complete = data.state == DATA_COMPLETE;
        got.fault = data.fault;
        got.size = data.size;
        assert_result(in, len, how[newlines], &due, &got);
    }
}

static void compare_with_model(const char *in, size_t len, bool normalise)
{
    struct result due = model(in, normalise);
    struct data begin;

    data_begin(&begin, false, normalise ? DATA_NORMALISE : DATA_REJECT, NO_LIMIT, NO_LIMIT);
    struct result got = feed_bytes(&begin, in, len);
    assert_result(in, len, normalise ? "byte by byte, normalised" : "byte by byte", &due, &got);
    for (size_t cut = 0; cut < len; cut++) {
        got = feed_cut(&begin, in, len, cut, len);
        assert_result(in, len, normalise ? "cut, normalised" : "cut", &due, &got);
    }
}

/* All sequences of up to six of these bytes, between a line and an end, followed by another end, so
 * that an end that is found too early or too late is noticed. */
static void all_short_sequences_end_at_the_true_end(void **state)
{
    static const char symbols[] = {'\r', '\n', '.', '\0', 'x'};
    static const char *const starts[] = {"", "a", "a\r\n"};
    enum { LONGEST = 6, SYMBOLS = sizeof symbols };

    (void)state;
    for (size_t length = 0, count = 1; length <= LONGEST; length++, count *= SYMBOLS) {
        for (size_t number = 0; number < count; number++) {
            for (size_t start = 0; start < sizeof starts / sizeof starts[0]; start++) {
                char in[32];
                size_t len = strlen(starts[start]);
                memcpy(in, starts[start], len);
                for (size_t i = 0, rest = number; i < length; i++, rest /= SYMBOLS)
                    in[len++] = symbols[rest % SYMBOLS];
                memcpy(in + len, "\r\n.\r\n\r\n.\r\n", 11);
                compare_with_model(in, len + 10, false);
                compare_with_model(in, len + 10, true);
                compare_chunks(in, len, DATA_REJECT);
                compare_chunks(in, len, DATA_NORMALISE);
                compare_chunks(in, len, DATA_NORMALISE_LF);
            }
        }
    }
}

/* RFC 1870: CR LF counts as two bytes; stuffed dots and the end do not count. */
static void size_is_limited_exactly(void **state)
{
    static const char in[] = "Subject: x\r\n\r\n..dot\r\n.\r\n";
    enum { SIZE = 12 + 2 + 6 };

    (void)state;
    for (size_t max = 0; max <= SIZE + 2; max++) {
        struct data begin;
        data_begin(&begin, false, DATA_REJECT, max, NO_LIMIT);
        struct result due = {.complete = true,
                             .end = sizeof in - 1,
                             .fault = max < SIZE ? VERDICT_TOO_LARGE : VERDICT_OK,
                             .size = SIZE,
                             .text = "Subject: x\n\n.dot\n",
                             .len = 17};
        assert_however_cut(&begin, in, sizeof in - 1, &due);
    }
}

static const struct header {
    const char *in;
    uint64_t received;
} headers[] = {
    {"Received: a\r\n.\r\n", 1},
    {"received:a\r\nRECEIVED:\r\nReCeIvEd: b\r\n.\r\n", 3},
    {"Received: a\r\n\r\nReceived: in the body\r\n.\r\n", 1},
    {"\r\nReceived: in the body\r\n.\r\n", 0},
    {" no field\r\nReceived: in the body\r\n.\r\n", 0},
    {"\tno field\r\nReceived: in the body\r\n.\r\n", 0},
    {"Received: a\r\n Received: folded\r\n\tReceived: folded\r\n.\r\n", 1},
    {"Received-SPF: no\r\nX-Received: no\r\nReceive: no\r\nReceived no\r\n.\r\n", 0},
    {"Subject: Received: no\r\n.\r\n", 0},
    {".Received: with a dot added\r\n.\r\n", 1},
    {"..Received: with a dot of its own\r\n.\r\n", 0},
    {"Received\r\n: no\r\n.\r\n", 0},
    {"eReceived: no\r\n.\r\n", 0},
};

static void hops_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const char *in = headers[i].in;
        for (size_t cut = 0; cut < strlen(in); cut++) {
            struct data data;
            struct result result = {0};
            data_begin(&data, false, DATA_REJECT, NO_LIMIT, NO_LIMIT);
            feed(&data, in, 0, cut, &result);
            feed(&data, in, cut, strlen(in), &result);
            if (data.received != headers[i].received)
                fail_msg("%s: cut at %zu: %zu hops", in, cut, (size_t)data.received);
        }
    }
}

static void hops_are_limited_exactly(void **state)
{
    enum { LIMIT = 10 };

    (void)state;
    for (int hops = 0; hops <= 2 * LIMIT; hops++) {
        char in[INPUT_MAX] = "";
        struct data data;
        struct result result = {0};
        for (int i = 0; i < hops; i++)
            strcat(in, "Received: x\r\n");
        strcat(in, ".\r\n");
        data_begin(&data, false, DATA_REJECT, NO_LIMIT, LIMIT);
        feed(&data, in, 0, strlen(in), &result);
        assert_true(result.complete);
        assert_int_equal(result.fault, hops > LIMIT ? VERDICT_HOPS : VERDICT_OK);
    }
}

static void the_first_fault_is_kept(void **state)
{
    static const char in[] = "a\nReceived: x\r\nReceived: x\r\n.\r\n";
    struct data data;
    struct result result = {0};

    (void)state;
    data_begin(&data, false, DATA_REJECT, 4, 0);
    feed(&data, in, 0, sizeof in - 1, &result);
    assert_int_equal(result.fault, VERDICT_BARE_NEWLINE);
    assert_true(result.complete);
}

/* If two faults are in one packet, the first one counts, as if they were in two. */
static void the_first_of_two_faults_in_a_packet_counts(void **state)
{
    static const char in[] = "Received: x\r\nReceived: y\r\n\r\n.\r\n";
    char out[sizeof in + 1];
    size_t made;

    (void)state;
    for (size_t max = 0; max < sizeof in; max++) {
        struct data whole, pieces;
        data_begin(&whole, false, DATA_REJECT, max, 1);
        pieces = whole;
        data_feed(&whole, in, sizeof in - 1, out, &made);
        for (size_t at = 0; at < sizeof in - 1; at++)
            data_feed(&pieces, in + at, 1, out, &made);
        assert_int_equal(whole.fault, pieces.fault);
        assert_int_equal(whole.fault, max < 13 + 9 ? VERDICT_TOO_LARGE : VERDICT_HOPS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_are_read_however_cut),
        cmocka_unit_test(all_short_sequences_end_at_the_true_end),
        cmocka_unit_test(size_is_limited_exactly),
        cmocka_unit_test(the_first_of_two_faults_in_a_packet_counts),
        cmocka_unit_test(hops_are_counted),
        cmocka_unit_test(hops_are_limited_exactly),
        cmocka_unit_test(the_first_fault_is_kept),
    };

    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
