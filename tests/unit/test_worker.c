/*
 * worker: each descriptor arrives at its number, and no other does.
 */
#include "../../smtpd/back/worker.h"
#include "../../smtpd/confine/confine_worker.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOCKETS = 4 };

/* Sends the number of each socket over it; over the wall which there are. */
static _Noreturn void run(void *context)
{
    uint32_t sent = 0;

    (void)context;
    for (char fd = 0; fd < CONFINE_FDS_MAX; fd++)
        if (fd != CONFINE_WALL && send(fd, &fd, 1, MSG_NOSIGNAL) == 1)
            sent |= 1U << fd;
    send(CONFINE_WALL, &sent, sizeof sent, MSG_NOSIGNAL);
    _exit(0);
}

/* Sockets at these numbers; their other ends. */
static void make_sockets(const int numbers[SOCKETS], int ends[SOCKETS])
{
    for (int i = 0; i < SOCKETS; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ends[i] = fcntl(pair[1], F_DUPFD_CLOEXEC, 80);
        assert_int_equal(dup3(pair[0], numbers[i] + 40, O_CLOEXEC), numbers[i] + 40);
        close(pair[0]);
        close(pair[1]);
    }
    for (int i = 0; i < SOCKETS; i++) {
        assert_int_equal(dup3(numbers[i] + 40, numbers[i], O_CLOEXEC), numbers[i]);
        close(numbers[i] + 40);
    }
}

static void check(const int *fds, size_t fds_len, const int numbers[SOCKETS],
                  const int ends[SOCKETS], uint32_t due)
{
    const struct worker_task task = {.fds = fds, .fds_len = fds_len, .run = run};
    struct worker worker;
    uint32_t sent;
    char got;

    assert_int_equal(worker_start(&worker, &task), 0);
    assert_int_equal(recv(worker.wall, &sent, sizeof sent, 0), sizeof sent);
    assert_int_equal(sent, due);
    for (size_t i = 0; i < fds_len; i++)
        for (int j = 0; j < SOCKETS; j++)
            if (i != CONFINE_WALL && fds[i] == numbers[j]) {
                assert_int_equal(recv(ends[j], &got, 1, MSG_DONTWAIT), 1);
                assert_int_equal(got, i);
            }
    assert_int_equal(worker_end(&worker, 1000), 0);
    for (int j = 0; j < SOCKETS; j++) {
        assert_int_equal(close(ends[j]), 0);
        assert_int_equal(close(numbers[j]), 0);
    }
}

static void test_two(void **state)
{
    static const int numbers[SOCKETS] = {20, 21, 22, 23}, fds[] = {20, 21, 22};
    int ends[SOCKETS];

    (void)state;
    make_sockets(numbers, ends);
    check(fds, CONFINE_FILTERS, numbers, ends, 1 << CONFINE_IN | 1 << CONFINE_OUT);
}

/* Each has the number that another is to get. */
static void test_filters_in_each_others_place(void **state)
{
    static const int numbers[SOCKETS] = {10, 3, 5, 4};
    static const int fds[CONFINE_FDS_MAX] = {-1, -1, 99, 10, 3, -1, 4, -1, -1, -1, 5};
    int ends[SOCKETS];

    (void)state;
    make_sockets(numbers, ends);
    check(fds, CONFINE_FDS_MAX, numbers, ends, 1 << 3 | 1 << 4 | 1 << 6 | 1 << 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_filters_in_each_others_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
