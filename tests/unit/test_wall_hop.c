/*
 * The back, while a hop that it asks is silent: it waits no longer than it may, and that time does
 * not count as the front's.
 */
#include "wall_peer.h"

#include <poll.h>
#include <sys/un.h>

enum { GRACE_MS = 300 }; /* in which a process that has something to say says it */

static int hop;

/* Replaces the C library's function, so that a wait that ends at its deadline is short. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    const struct timespec grace = {.tv_nsec = GRACE_MS * 1000000L};
    bool is_long = timeout != NULL && timeout->tv_sec > 0;
    int ready = (int)syscall(SYS_ppoll, fds, count, is_long ? &grace : timeout, mask, 8);

    if (ready == 0 && is_long)
        ahead += timeout->tv_sec + 1;
    return ready;
}

/* A store that accepts connections, and says nothing; it has the mail for erin. */
static int set_up_hop(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static char alias[128];

    if (set_up(state) != 0)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/hop", folder);
    snprintf(alias, sizeof alias, "@lmtp:%s\n", address.sun_path);
    more_aliases = alias;
    make_database("yes");
    hop = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(hop, (struct sockaddr *)&address, sizeof address) | listen(hop, 8);
}

static int clean_hop(void **state)
{
    close(hop);
    more_aliases = NULL;
    return clean(state);
}

static void a_silent_hop_defers_a_recipient(void **state)
{
    (void)state;
    begin();
    say("M");
    assert_int_equal(ask(WALL_RECIPIENT, "erin"), VERDICT_HOP_UNAVAILABLE);
    const char *at = strstr(get("log"), ": hop unavailable peer=192.0.2.1 hop=");
    assert_non_null(at);
    assert_non_null(strstr(at, " step=greeting error=\"no reply in time\" "));
    long ms = strtol(strstr(at, " session-ms=") + strlen(" session-ms="), NULL, 10);
    assert_true(ms >= 60000 && ms < 70000);
    /* session-timeout is a second, and the front may take a minute more. */
    say("RTC");
    hang_up();
    assert_no_breach("a silent hop", "\"front gone\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_silent_hop_defers_a_recipient, set_up_hop, clean_hop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
