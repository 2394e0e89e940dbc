/* relay_settings: what mailslot-relay reads is what mailslot-build has written. */
#include "../../smtpd/database/relay_settings.h"

#include "../../smtpd/database/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *set(struct relay_settings *settings, const char *name, const char *value)
{
    return relay_settings_set(settings, slice_of(name), slice_of(value));
}

static void the_record_is_written_and_read_back(void **state)
{
    struct relay_settings settings, back;
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    (void)state;
    relay_settings_default(&settings);
    strcpy(settings.hostname, "mx.example.org");
    assert_null(set(&settings, "smarthost", "a.x:465 [::1]:587  192.0.2.1:25"));
    assert_null(set(&settings, "smarthost-ca", "ca.pem"));
    assert_null(set(&settings, "smarthost-user", "J\xc3\xbcrgen D"));
    assert_null(set(&settings, "smarthost-token", "/t"));
    relay_settings_write(&settings, to);
    fputs("a-name-of-tomorrow=1\n", to);
    fclose(to);
    assert_int_equal(relay_settings_parse(&back, (struct slice){text, len}), 0);
    assert_string_equal(back.hostname, "mx.example.org");
    assert_int_equal(back.hosts_len, 3);
    assert_true(slice_is(back.hosts[0].name, "a.x"));
    assert_int_equal(back.hosts[0].port, 465);
    assert_true(slice_is(back.hosts[1].name, "::1"));
    assert_true(slice_is(back.hosts[2].name, "192.0.2.1"));
    assert_int_equal(back.hosts[2].port, 25);
    assert_true(slice_is(back.ca, "ca.pem"));
    assert_true(slice_is(back.user, "J\xc3\xbcrgen D"));
    assert_int_equal(back.password.len, 0);
    assert_true(slice_is(back.token, "/t"));
    assert_int_equal(relay_settings_parse(&back, (struct slice){text, len - 1}), -1);
    free(text);
}

static void bad_values_are_refused(void **state)
{
    static const char *const texts[] = {"smarthost=x\n", "smarthost-tls=ssl\n", "hostname=-x\n",
                                        "smarthost-user=a\x01\n", "smarthost"};
    static char path[SETTINGS_PATH_MAX + 1];
    struct relay_settings settings;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (relay_settings_parse(&settings, slice_of(texts[i])) == 0)
            fail_msg("%s", texts[i]);
    memset(path, 'a', SETTINGS_PATH_MAX);
    relay_settings_default(&settings);
    assert_non_null(set(&settings, "smarthost-password", path));
    assert_non_null(set(&settings, "smarthost-user", path));
    assert_non_null(set(&settings, "smarthost-key", "x"));
    path[SETTINGS_PATH_MAX - 1] = '\0';
    assert_null(set(&settings, "smarthost-password", path));
}

static void tls_is_that_of_the_port_unless_it_is_set(void **state)
{
    struct relay_settings settings;
    struct relay_host secure = {.port = 465}, other = {.port = 587};

    (void)state;
    relay_settings_default(&settings);
    assert_int_equal(relay_settings_tls(&settings, &secure), RELAY_TLS_IMPLICIT);
    assert_int_equal(relay_settings_tls(&settings, &other), RELAY_TLS_STARTTLS);
    assert_null(set(&settings, "smarthost-tls", "may"));
    assert_int_equal(relay_settings_tls(&settings, &secure), RELAY_TLS_MAY);
    assert_null(set(&settings, "smarthost-tls", "none"));
    assert_int_equal(relay_settings_tls(&settings, &other), RELAY_TLS_NONE);
}

static void loopback_addresses_are_known(void **state)
{
    static const char *const here[] = {"127.0.0.1", "127.255.0.1", "::1", "localhost",
                                       "0:0:0:0:0:0:0:1"};
    static const char *const there[] = {
        "128.0.0.1",        "::2",    "localhost.example.org", "127.0.0.1.example.org",
        "::ffff:192.0.2.1", "0.0.0.0"};

    (void)state;
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        assert_true(relay_host_is_loopback(&(struct relay_host){.name = slice_of(here[i])}));
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        assert_false(relay_host_is_loopback(&(struct relay_host){.name = slice_of(there[i])}));
}

static void there_is_always_a_hostname(void **state)
{
    struct relay_settings settings;

    (void)state;
    assert_int_equal(relay_settings_parse(&settings, slice_of("hostname=\nsmarthost=a:1\n")), 0);
    assert_int_equal(address_parse_domain(slice_of(settings.hostname)), ADDRESS_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_is_written_and_read_back),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(tls_is_that_of_the_port_unless_it_is_set),
        cmocka_unit_test(loopback_addresses_are_known),
        cmocka_unit_test(there_is_always_a_hostname),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
