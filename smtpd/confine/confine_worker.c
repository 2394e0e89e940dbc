#include "confine_worker.h"

#include "landlock.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "filter_worker.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

static int move(int from, int to)
{
    if (from < 0)
        close(to);
    else if (dup2(from, to) < 0)
        return -1;
    return 0;
}

/* Sockets of filters go out of the way first: they may have each other's new numbers. */
static int move_descriptors(const int *fds, size_t len)
{
    int from[CONFINE_FDS_MAX];
    unsigned beyond = (unsigned)len;

#ifdef __SANITIZE_ADDRESS__ /* the tests need its reports, which go to the old fd 2 */
    int report = fcntl(2, F_DUPFD, beyond);
#endif
    for (size_t i = 0; i < len; i++) {
        bool is_filter = i >= CONFINE_FILTERS && fds[i] >= 0;
        from[i] = is_filter ? fcntl(fds[i], F_DUPFD, beyond + 1) : fds[i];
        if (is_filter && from[i] < 0)
            return -1;
    }
    for (size_t i = 0; i < len; i++)
        if (move(from[i], (int)i) != 0)
            return -1;
#ifdef __SANITIZE_ADDRESS__
    if (report != (int)beyond && dup2(report, (int)beyond) < 0)
        return -1;
    __sanitizer_set_report_fd((void *)(uintptr_t)beyond++);
#endif
    return close_range(beyond, ~0U, 0);
}

/* A limit that is already lower stays. */
static int set_limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limit;
    rlim_t hard = resource == RLIMIT_CPU ? most + 1 : most; /* SIGXCPU first, which is logged */

    if (getrlimit(resource, &limit) != 0)
        return -1;
    limit.rlim_max = hard < limit.rlim_max ? hard : limit.rlim_max;
    limit.rlim_cur = most < limit.rlim_cur ? most : limit.rlim_cur;
    return setrlimit(resource, &limit);
}

static int set_limits(size_t fds_len)
{
    if (set_limit(RLIMIT_CORE, 0) != 0 || set_limit(RLIMIT_NPROC, 0) != 0 ||
        set_limit(RLIMIT_NOFILE, fds_len) != 0 || set_limit(RLIMIT_CPU, CONFINE_CPU_SECONDS) != 0)
        return -1;
#ifndef __SANITIZE_ADDRESS__ /* the sanitizers' run-time reserves terabytes */
    if (set_limit(RLIMIT_DATA, (rlim_t)CONFINE_DATA_MAX) != 0 ||
        set_limit(RLIMIT_AS, (rlim_t)CONFINE_ADDRESSES_MAX) != 0)
        return -1;
#endif
    return prctl(PR_SET_DUMPABLE, 0);
}

/* Takes all paths away. Without Landlock (an old kernel, or a container that forbids it), the
 * filter below still allows no system call that takes a path. */
static int drop_paths(void)
{
    int version = landlock_version();

    if (version <= 0)
        return version;
    int ruleset = landlock_begin(version, false);
    return ruleset < 0 ? -1 : landlock_enforce(ruleset);
}

static int drop_system_calls(bool tls)
{
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    if (tls)
        program =
            (struct sock_fprog){sizeof filter_for_tls / sizeof filter_for_tls[0], filter_for_tls};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int confine_worker(const int *fds, size_t fds_len, bool tls)
{
    /* If the back ends before this call, that shows at the wall. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        drop_paths() != 0 || move_descriptors(fds, fds_len) != 0 || set_limits(fds_len) != 0)
        return -1;
    return drop_system_calls(tls);
}
