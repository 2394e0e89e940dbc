/*
 * connections: a few clients cannot use all sessions of the listener, and clients from the network
 * cannot use those reserved for mail servers of this machine.
 */
#include "../../smtpd/base/connections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static pid_t next_pid = 1;

/* Begins as many sessions as this peer can get; returns their number. */
static int take(const char *peer, bool local)
{
    int taken = 0;

    while (connections_have_room(local) && connections_allow(peer, local)) {
        connections_begin(next_pid++, peer, local);
        taken++;
    }
    return taken;
}

static int end_all(void **state)
{
    (void)state;
    while (next_pid > 1)
        connections_end(--next_pid);
    return connections_count();
}

static void one_source(void **state)
{
    (void)state;
    assert_int_equal(take("192.0.2.1", false), 100);
    connections_end(1);
    assert_int_equal(take("192.0.2.1", false), 1);
    assert_int_equal(take("2001:db8::1", false) + take("2001:db8::2", false), 80);
    assert_true(connections_allow("2001:db8:0:1::1", false));
}

static void greedy_sources_leave_room(void **state)
{
    char peer[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(peer, sizeof peer, "192.0.2.%d", i);
        for (int round = 0; round < 60; round++)
            take(peer, false);
        assert_true(connections_have_room(false));
        assert_true(connections_allow("198.51.100.1", false));
    }
    assert_in_range(connections_count(), CONNECTIONS_NETWORK * 9 / 10, CONNECTIONS_NETWORK - 1);
}

/* A customer with 65,536 source networks. */
static void one_network(void **state)
{
    char peer[32];
    int taken = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(peer, sizeof peer, "2001:db8:1:%x::1", (unsigned)i);
        taken += take(peer, false);
    }
    assert_in_range(taken, 100, CONNECTIONS_NETWORK / 2);
    assert_true(connections_allow("2001:db8:2::1", false) && connections_allow("192.0.2.1", false));
}

static void the_local_share(void **state)
{
    char peer[32];

    (void)state;
    for (int i = 0; connections_have_room(false); i++) {
        snprintf(peer, sizeof peer, "192.0.%d.%d", i / 250, i % 250);
        connections_begin(next_pid++, peer, false);
    }
    assert_int_equal(connections_count(), CONNECTIONS_NETWORK);
    assert_int_equal(take("local", true), CONNECTIONS_LOCAL);
    assert_false(connections_have_room(true));
    connections_end(1);
    assert_true(connections_have_room(false) && !connections_have_room(true));
    connections_end(CONNECTIONS_NETWORK + 1);
    assert_true(connections_have_room(true));
}

/* A mail server that connects by TCP to the role lmtp. */
static void local_by_tcp(void **state)
{
    (void)state;
    assert_int_equal(take("127.0.0.1", true), CONNECTIONS_LOCAL / 2);
    assert_true(connections_have_room(true) && connections_allow("local", true));
    assert_true(connections_allow("127.0.0.1", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_source, end_all),
        cmocka_unit_test_teardown(greedy_sources_leave_room, end_all),
        cmocka_unit_test_teardown(one_network, end_all),
        cmocka_unit_test_teardown(the_local_share, end_all),
        cmocka_unit_test_teardown(local_by_tcp, end_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
