/*
 * unconfined: `make coverage` and bench/filters link these functions (`ld --wrap`) in place of the
 * confinement, which would keep a process from writing what it has counted.
 */
#include "../smtpd/confine/confine_back.h"
#include "../smtpd/confine/confine_worker.h"

#include <fcntl.h>
#include <unistd.h>

int __wrap_confine_worker(const int *fds, size_t fds_len, bool tls);
int __wrap_confine_back_paths(const struct confine_back *session);
int __wrap_confine_back_system_calls(void);

/* Filters' sockets may have each other's new numbers. */
int __wrap_confine_worker(const int *fds, size_t fds_len, bool tls)
{
    int from[CONFINE_FDS_MAX];

    (void)tls;
    for (size_t i = 0; i < fds_len; i++)
        from[i] = i < CONFINE_FILTERS || fds[i] < 0 ? fds[i] : fcntl(fds[i], F_DUPFD, 100);
    for (size_t i = 0; i < fds_len; i++)
        if (from[i] >= 0 && dup2(from[i], (int)i) < 0)
            return -1;
    return 0;
}

int __wrap_confine_back_paths(const struct confine_back *session)
{
    (void)session;
    return 0;
}

int __wrap_confine_back_system_calls(void)
{
    return 0;
}
