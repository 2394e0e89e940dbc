/*
 * auth: names of every length and form fit into their buffers.
 */
#include "../../smtpd/back/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct auth auth;

/* AUTH PLAIN with a name of so many bytes that is not an address. Without a database every login
 * fails. */
static enum verdict log_in(size_t len, char fill)
{
    static struct database db = {.state = DATABASE_MISSING};
    static struct settings settings;
    static struct secured tls;
    static struct wall_sasl asked;
    static struct wall_challenge answer;
    const struct auth_context context = {&db, &settings, &tls, "192.0.2.1"};

    settings_default(&settings);
    auth = (struct auth){.offered = WALL_PLAIN};
    asked = (struct wall_sasl){.mechanism = WALL_PLAIN, .has_response = 1};
    memset(asked.data + 1, fill, len);
    asked.len = (uint32_t)(1 + len + 2);
    asked.data[asked.len - 1] = 'x';
    assert_true(auth_begin(&auth, &context, &asked, &answer));
    return answer.code;
}

static void names_fit_into_their_buffers(void **state)
{
    (void)state;
    for (size_t len = 1; len < 2 * SCRAM_NAME_MAX; len++) {
        enum verdict code = log_in(len, '@');
        bool fits = len < SCRAM_NAME_MAX;
        assert_int_equal(code, fits ? VERDICT_AUTH_UNAVAILABLE : VERDICT_AUTH_MALFORMED);
        assert_true(auth.key_len <= sizeof auth.key);
        assert_int_equal(strlen(auth.name), fits ? len : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_fit_into_their_buffers)};

    if (freopen("/dev/null", "w", stderr) == NULL) /* each login logs an event */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
