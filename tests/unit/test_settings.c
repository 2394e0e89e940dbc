/* settings: the form, bounds and default of each. */
#include "../../smtpd/database/directory.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *set(struct settings *settings, const char *name, const char *value)
{
    return settings_set(settings, slice_of(name), slice_of(value));
}

/* A number's bounds as mailslot.conf(5) gives them, and its default. */
static const struct {
    const char *name;
    size_t field;
    uint64_t min, max, otherwise;
} numbers[] = {
    {"max-message-size", offsetof(struct settings, session.max_message_size), 1, 4294967296,
     52428800},
    {"max-recipients", offsetof(struct settings, session.max_recipients), 1, 10000, 100},
    {"max-messages", offsetof(struct settings, session.max_messages), 0, 999999, 0},
    {"max-errors", offsetof(struct settings, session.max_errors), 1, 1000, 20},
    {"max-received", offsetof(struct settings, session.max_received), 1, 1000, 100},
    {"idle-timeout", offsetof(struct settings, session.idle_timeout), 1, 3600, 300},
    {"session-timeout", offsetof(struct settings, session.session_timeout), 1, 86400, 3600},
    {"lock-timeout", offsetof(struct settings, lock_timeout), 1, 240, 30},
    {"min-data-rate", offsetof(struct settings, session.min_data_rate), 1, 1048576, 100},
    {"milter-timeout", offsetof(struct settings, milter_timeout), 1, 120, 30},
};

static uint64_t get(const struct settings *settings, size_t field)
{
    uint64_t value;

    memcpy(&value, (const char *)settings + field, sizeof value);
    return value;
}

static void numbers_have_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct settings settings;
        char text[32];
        settings_default(&settings);
        assert_int_equal(get(&settings, numbers[i].field), numbers[i].otherwise);
        const uint64_t good[] = {numbers[i].min, numbers[i].max};
        for (size_t j = 0; j < 2; j++) {
            snprintf(text, sizeof text, "%" PRIu64, good[j]);
            assert_null(set(&settings, numbers[i].name, text));
            assert_int_equal(get(&settings, numbers[i].field), good[j]);
        }
        const uint64_t bad[] = {numbers[i].min - 1, numbers[i].max + 1, UINT64_MAX};
        for (size_t j = 0; j < 3; j++) {
            snprintf(text, sizeof text, "%" PRIu64, bad[j]);
            assert_non_null(set(&settings, numbers[i].name, text));
            assert_int_equal(get(&settings, numbers[i].field), numbers[i].max);
        }
    }
}

static const struct {
    const char *name, *value;
    bool good;
    uint64_t number;
} forms[] = {
    {"max-message-size", "100k", true, 102400},
    {"max-message-size", "100K", true, 102400},
    {"max-message-size", "20M", true, 20971520},
    {"max-message-size", "4G", true, 4294967296},
    {"max-message-size", "5G", false, 0},
    {"max-message-size", "18014398509481984K", false, 0},
    {"max-message-size", "99999999999999999999", false, 0},
    {"max-message-size", "M", false, 0},
    {"max-message-size", "", false, 0},
    {"max-message-size", "-1", false, 0},
    {"max-message-size", "1 M", false, 0},
    {"max-message-size", "1MB", false, 0},
    {"max-message-size", "0x100000", false, 0},
    {"max-message-size", "90s", false, 0},
    {"idle-timeout", "90", true, 90},
    {"idle-timeout", "90s", true, 90},
    {"idle-timeout", "5m", true, 300},
    {"idle-timeout", "1h", true, 3600},
    {"idle-timeout", "2h", false, 0},
    {"idle-timeout", "1d", false, 0},
    {"idle-timeout", "1K", false, 0},
    {"max-recipients", "7", true, 7},
    {"max-recipients", "1K", false, 0},
    {"max-recipients", "seven", false, 0},
};

static void units_are_those_of_the_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct settings settings;
        settings_default(&settings);
        const char *wrong = set(&settings, forms[i].name, forms[i].value);
        if ((wrong == NULL) != forms[i].good)
            fail_msg("%s = %s: %s", forms[i].name, forms[i].value, wrong);
        for (size_t j = 0; forms[i].good && j < sizeof numbers / sizeof numbers[0]; j++)
            if (strcmp(numbers[j].name, forms[i].name) == 0)
                assert_int_equal(get(&settings, numbers[j].field), forms[i].number);
    }
}

static const struct {
    const char *name, *value;
    bool good;
} words[] = {
    {"vrfy", "yes", true},
    {"vrfy", "no", true},
    {"vrfy", "1", false},
    {"vrfy", "YES", false},
    {"vrfy", "", false},
    {"bare-newline", "auto", true},
    {"bare-newline", "reject", true},
    {"bare-newline", "normalise", true},
    {"bare-newline", "accept", false},
    {"recipient-delimiter", "+", true},
    {"recipient-delimiter", "#", true},
    {"recipient-delimiter", "", true},
    {"recipient-delimiter", "@", false},
    {"recipient-delimiter", "+-", false},
    {"hostname", "mx.example.org", true},
    {"hostname", "", true},
    {"hostname", "mx example", false},
    {"hostname", "mx.example.org.", false},
    {"mail-root", "/srv/mail", true},
    {"mail-root", "srv/mail", false},
    {"mail-root", "/", false},
    {"mail-root", "//", false},
    {"mail-root", "/.", false},
    {"mail-root", "/srv/..", false},
    {"mail-root", "/.srv/...", true},
    {"mail-root", "/srv/mail//", true},
    {"mail-root", "", false},
    {"milter-failure", "defer", true},
    {"milter-failure", "accept", true},
    {"milter-failure", "reject", false},
    {"milter-failure", "", false},
    {"quarantine", "reject", true},
    {"quarantine", "defer", true},
    {"quarantine", "deliver", true},
    {"quarantine", "accept", false},
    {"quarantine", "", false},
    {"no-such-name", "yes", false},
    {"VRFY", "yes", false},
    {"", "yes", false},
};

static void words_are_checked(void **state)
{
    struct settings settings;

    (void)state;
    settings_default(&settings);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *wrong = set(&settings, words[i].name, words[i].value);
        if ((wrong == NULL) != words[i].good)
            fail_msg("%s = %s: %s", words[i].name, words[i].value, wrong);
    }
}

static void long_values_are_refused(void **state)
{
    static char path[SETTINGS_PATH_MAX + 1];
    struct settings settings;

    (void)state;
    settings_default(&settings);
    memset(path, '/', SETTINGS_PATH_MAX);
    path[1] = 'a';
    assert_non_null(set(&settings, "mail-root", path));
    path[SETTINGS_PATH_MAX - 1] = '\0';
    assert_null(set(&settings, "mail-root", path));
    memset(path, 'a', SETTINGS_PATH_MAX - 1);
    assert_non_null(set(&settings, "hostname", path));
    assert_string_equal(settings.session.hostname, "");
    assert_non_null(settings_set(&settings, slice_of("mail-root"), (struct slice){"/a\0b", 4}));
    assert_non_null(
        settings_set(&settings, slice_of("recipient-delimiter"), (struct slice){"\0", 1}));
}

/* What was written is read back unchanged, unknown names are skipped, damage is noticed. */
static void the_record_is_written_and_read_back(void **state)
{
    struct settings settings, back;
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    (void)state;
    settings_default(&settings);
    assert_null(set(&settings, "domains", "example.org example.net"));
    assert_null(set(&settings, "hostname", "mx.example.org"));
    assert_null(set(&settings, "bare-newline", "normalise"));
    assert_null(set(&settings, "recipient-delimiter", ""));
    assert_null(set(&settings, "vrfy", "no"));
    assert_null(set(&settings, "idle-timeout", "7m"));
    assert_null(set(&settings, "relay", "/a @x.x"));
    assert_null(set(&settings, "relay", "/b"));
    assert_null(set(&settings, "relay-limit", "7"));
    assert_null(set(&settings, "forward-sender", "A b@x.x"));
    assert_null(set(&settings, "mailboxes", "lmtp:/s"));
    assert_null(set(&settings, "local-submission", "root bin"));
    assert_null(set(&settings, "hide-client-address", "yes"));
    assert_null(set(&settings, "milter", "/m mx smtp"));
    assert_null(set(&settings, "milter", "/n"));
    assert_null(set(&settings, "milter-failure", "accept"));
    assert_null(set(&settings, "milter-timeout", "1m"));
    assert_null(set(&settings, "quarantine", "deliver"));
    settings_write(&settings, to);
    fputs("a-name-of-tomorrow=1\n", to);
    fclose(to);

    settings_default(&back);
    assert_int_equal(settings_parse(&back, (struct slice){text, len}), 0);
    assert_true(slice_is(back.domains, "example.org example.net"));
    assert_string_equal(back.session.hostname, "mx.example.org");
    assert_int_equal(back.session.bare_newline, NEWLINE_NORMALISE);
    assert_int_equal(back.recipient_delimiter, '\0');
    assert_false(back.session.vrfy);
    assert_int_equal(back.session.idle_timeout, 420);
    assert_int_equal(back.relays_len, 2);
    assert_true(slice_is(back.relays[0], "/a @x.x"));
    assert_true(slice_is(back.relays[1], "/b"));
    assert_int_equal(back.relay_limit, 7);
    assert_true(slice_is(back.forward_sender, "A b@x.x"));
    assert_true(slice_is(back.mailboxes, "/s"));
    assert_true(slice_is(back.local_submission, "root bin"));
    assert_true(back.hide_client_address);
    assert_int_equal(back.milters_len, 2);
    assert_true(slice_is(back.milters[0], "/m mx smtp"));
    assert_true(slice_is(back.milters[1], "/n"));
    assert_true(back.milter_failure_accepts);
    assert_int_equal(back.milter_timeout, 60);
    assert_int_equal(back.quarantine, QUARANTINE_DELIVER);

    assert_int_equal(settings_parse(&back, (struct slice){text, len - 1}), -1);
    assert_int_equal(settings_parse(&back, (struct slice){"vrfy=maybe\n", 11}), -1);
    assert_int_equal(settings_parse(&back, (struct slice){"vrfy\n", 5}), -1);
    assert_int_equal(settings_parse(&back, (struct slice){"", 0}), 0);
    free(text);
}

/* The server keeps only so many. */
static void the_number_of_relays_is_limited(void **state)
{
    struct settings settings;

    (void)state;
    settings_default(&settings);
    assert_int_equal(settings.relay_limit, 300);
    for (size_t i = 0; i < SETTINGS_RELAYS_MAX; i++)
        assert_null(set(&settings, "relay", "/a"));
    assert_non_null(set(&settings, "relay", "/a"));
    assert_int_equal(settings.relays_len, SETTINGS_RELAYS_MAX);
}

/* In this order; the same filter is never asked twice in one role. */
static const struct {
    const char *value;
    bool good;
} filters[] = {
    {"/a", true},
    {"/b submission submissions", true},
    {"/c lmtp", true},
    {"/c mx", true},
    {"/a lmtp", true},
    {"/d mx", true},
    {"", false},
    {"mx", false},
    {"/e mx port25", false},
    {"/e MX", false},
    {"/e mx,smtp", false},
    {"/e/ mx", false},
    {"inet:11332@localhost", false},
    {"unix:/e", false},
    {"/a", false},
    {"/a mx", false},
    {"/a lmtp", false},
    {"/b mx submissions", false},
    {"/b", false},
    {"/e mx mx", true}, /* once, as anybody would think */
    {"/b mx smtp lmtp local", true},
    {"/f", false}, /* one too many */
};

static const struct {
    enum role role;
    const char *paths[SETTINGS_MILTERS_MAX];
} asked[] = {
    {ROLE_SMTP, {"/a", "/b"}},       {ROLE_MX, {"/a", "/c", "/d", "/e", "/b"}},
    {ROLE_SUBMISSION, {"/a", "/b"}}, {ROLE_SUBMISSIONS, {"/a", "/b"}},
    {ROLE_LMTP, {"/c", "/a", "/b"}}, {ROLE_LOCAL, {"/a", "/b"}},
};

static void each_role_has_its_filters(void **state)
{
    struct slice paths[SETTINGS_MILTERS_MAX];
    struct settings settings;

    (void)state;
    settings_default(&settings);
    assert_int_equal(directory_milters(&settings, ROLE_MX, paths), 0);
    assert_false(settings.milter_failure_accepts);
    assert_int_equal(settings.quarantine, QUARANTINE_REJECT);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        const char *wrong = set(&settings, "milter", filters[i].value);
        if ((wrong == NULL) != filters[i].good)
            fail_msg("%s: %s", filters[i].value, wrong);
    }
    assert_int_equal(settings.milters_len, SETTINGS_MILTERS_MAX);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        size_t len = directory_milters(&settings, asked[i].role, paths), wanted = 0;
        for (; asked[i].paths[wanted] != NULL; wanted++)
            assert_true(wanted < len && slice_is(paths[wanted], asked[i].paths[wanted]));
        assert_int_equal(len, wanted);
    }
}

static void there_is_always_a_hostname(void **state)
{
    struct settings settings;

    (void)state;
    settings_default(&settings);
    settings_fill_hostname(settings.session.hostname);
    assert_int_equal(address_parse_domain(slice_of(settings.session.hostname)), ADDRESS_OK);
    strcpy(settings.session.hostname, "given.example");
    settings_fill_hostname(settings.session.hostname);
    assert_string_equal(settings.session.hostname, "given.example");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(units_are_those_of_the_kind),
        cmocka_unit_test(words_are_checked),
        cmocka_unit_test(long_values_are_refused),
        cmocka_unit_test(the_record_is_written_and_read_back),
        cmocka_unit_test(the_number_of_relays_is_limited),
        cmocka_unit_test(each_role_has_its_filters),
        cmocka_unit_test(there_is_always_a_hostname),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
