/*
 * hop_connect: a hop whose queue is full: how the wait for a place ends.
 */
#include "../../smtpd/back/hop_connect.h"
#include "../../smtpd/back/wait.h"
#include "../../smtpd/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SHORT_MS = 100, LONG_MS = 60000 };

static char folder[] = "/tmp/mailslot-connect-XXXXXX", path[64];
static time_t later; /* in seconds */

/* In place of the C library's: the tests can let time pass. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);

    now->tv_sec += later;
    return result;
}

static int set_up(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    alarm(30); /* a wait that ends too late fails */
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/hop", folder);
    strcpy(address.sun_path, path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 0) != 0)
        return -1;
    wait_hold_signals();
    return hop_connect(path, clock_ms() + SHORT_MS) >= 0 ? 0 : -1; /* the only place */
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int error_until(int64_t deadline)
{
    return hop_connect(path, deadline) < 0 ? errno : 0;
}

static void test_deadline(void **state)
{
    (void)state;
    wait_begin(-1, -1);
    assert_int_equal(error_until(clock_ms() + SHORT_MS), ETIMEDOUT);
}

static void test_client_gone(void **state)
{
    int client[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    close(client[1]);
    wait_begin(client[0], -1);
    assert_int_equal(error_until(clock_ms() + LONG_MS), ECANCELED);
    close(client[0]);
}

static void test_stop(void **state)
{
    (void)state;
    wait_begin(-1, -1);
    raise(SIGTERM);
    assert_int_equal(error_until(clock_ms() + LONG_MS), ECANCELED);
}

/* Some seconds after the stop, not at the deadline. */
static void test_stop_after_the_first_dot(void **state)
{
    (void)state;
    wait_begin(-1, -1);
    wait_commit(true);
    later = WAIT_STOPPING_SECONDS;
    assert_int_equal(error_until(clock_ms() + LONG_MS), ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_client_gone),
        cmocka_unit_test(test_stop), /* the session stays stopped */
        cmocka_unit_test(test_stop_after_the_first_dot),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
