#include "wait.h"

#include "../base/clock.h"
#include "../base/signals.h"

#include <errno.h>
#include <poll.h>

static int client = -1, front = -1;
static bool committed;
static sigset_t waiting;
static volatile int64_t stopped; /* clock_ms() of the first signal */

static void on_stop(int signal)
{
    (void)signal;
    if (stopped == 0)
        stopped = clock_ms();
}

void wait_hold_signals(void)
{
    signals_hold((const int[]){SIGTERM, SIGINT, SIGHUP, 0}, on_stop, &waiting);
}

void wait_begin(int client_socket, int front_wall)
{
    client = client_socket;
    front = front_wall;
    committed = false;
}

void wait_commit(bool value)
{
    committed = value;
}

int64_t wait_stopped(void)
{
    return stopped;
}

int wait_poll(struct pollfd *fds, nfds_t count, int64_t deadline)
{
    int64_t left = deadline - clock_ms();
    struct timespec time = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};

    int ready = left <= 0 ? 0 : ppoll(fds, count, &time, &waiting);
    if (ready > 0) /* ppoll() alone lets no signal in while there is input */
        signals_deliver(&waiting);
    return ready;
}

/* After a dot, and a signal to stop, there is less time. */
static int64_t end_of(int64_t deadline)
{
    int64_t end = stopped + (int64_t)WAIT_STOPPING_SECONDS * 1000;

    return committed && stopped != 0 && end < deadline ? end : deadline;
}

enum wait wait_for(int fd, short events, int64_t deadline)
{
    for (;;) {
        struct pollfd fds[] = {
            {.fd = fd, .events = events},
            {.fd = committed ? -1 : client}, /* POLLHUP and POLLERR alone: a half-close is fine */
            {.fd = committed ? -1 : front},
        };
        if (!committed && stopped != 0)
            return WAIT_STOPPED;
        int ready = wait_poll(fds, sizeof fds / sizeof fds[0], end_of(deadline));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready > 0)
            return fds[0].revents != 0 ? WAIT_READY : WAIT_GONE;
        return WAIT_OVERTIME;
    }
}

bool wait_client_gone(void)
{
    struct pollfd fds[] = {{.fd = client}, {.fd = front}};

    return poll(fds, sizeof fds / sizeof fds[0], 0) > 0;
}

enum wait wait_look(void)
{
    signals_deliver(&waiting);
    if (stopped != 0)
        return WAIT_STOPPED;
    return wait_client_gone() ? WAIT_GONE : WAIT_READY;
}
