/*
 * Preloaded into the server: the monotonic clock runs FACTOR times as fast, and waits for files are
 * as much shorter.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FACTOR = 300 };

int clock_gettime(clockid_t id, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, id, time);

    if (result == 0 && id == CLOCK_MONOTONIC) {
        long long ns = (long long)time->tv_nsec * FACTOR;
        time->tv_sec = time->tv_sec * FACTOR + ns / 1000000000;
        time->tv_nsec = ns % 1000000000;
    }
    return result;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *wait, const sigset_t *mask)
{
    struct timespec shorter = {0, 0};

    if (wait != NULL) {
        long long ns = (wait->tv_sec * 1000000000LL + wait->tv_nsec) / FACTOR;
        shorter = (struct timespec){ns / 1000000000, ns % 1000000000};
    }
    return (int)syscall(SYS_ppoll, fds, count, wait == NULL ? NULL : &shorter, mask, 8);
}

int poll(struct pollfd *fds, nfds_t count, int ms)
{
    const struct timespec wait = {ms / 1000, ms % 1000 * 1000000L};

    return ppoll(fds, count, ms < 0 ? NULL : &wait, NULL);
}

int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t size)
{
    (void)size;
    return poll(fds, count, ms);
}

int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *wait, const sigset_t *mask,
                size_t size)
{
    (void)size;
    return ppoll(fds, count, wait, mask);
}
