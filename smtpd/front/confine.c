#include "confine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

static int move_descriptors(int in, int out, int wall)
{
    unsigned beyond = CONFINE_WALL + 1;

#ifdef __SANITIZE_ADDRESS__ /* the tests want to see its reports: they go to the old fd 2 */
    int report = dup(2);
#endif
    if (dup2(in, CONFINE_IN) < 0 || dup2(out, CONFINE_OUT) < 0 || dup2(wall, CONFINE_WALL) < 0)
        return -1;
#ifdef __SANITIZE_ADDRESS__
    if (report != (int)beyond && dup2(report, (int)beyond) < 0)
        return -1;
    __sanitizer_set_report_fd((void *)(uintptr_t)beyond++);
#endif
    return close_range(beyond, ~0U, 0);
}

static int set_limits(void)
{
    const struct rlimit none = {0, 0}, three = {CONFINE_WALL + 1, CONFINE_WALL + 1};

    if (setrlimit(RLIMIT_CORE, &none) != 0 || setrlimit(RLIMIT_NPROC, &none) != 0 ||
        setrlimit(RLIMIT_NOFILE, &three) != 0)
        return -1;
    return prctl(PR_SET_DUMPABLE, 0);
}

/* As the kernel defines it today; older headers have less of it, older kernels ask for less. */
struct landlock_ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

/* Takes all rights away that this kernel's Landlock knows of. A kernel without it, or a container
 * that keeps it from us: the filter below lets no path be named anyway. */
static int drop_paths(void)
{
    static const uint64_t rights[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
    enum { KNOWN = sizeof rights / sizeof rights[0] - 1, QUERY = 1 << 0 };
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, QUERY);

    if (abi <= 0)
        return abi == 0 || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? 0 : -1;
    struct landlock_ruleset ruleset = {
        .handled_access_fs = rights[abi < KNOWN ? abi : KNOWN],
        .handled_access_net = abi >= 4 ? 0x3 : 0, /* bind and connect */
        .scoped = abi >= 6 ? 0x3 : 0,             /* abstract sockets and signals */
    };
    size_t size = abi >= 6   ? sizeof ruleset
                  : abi >= 4 ? offsetof(struct landlock_ruleset, scoped)
                             : offsetof(struct landlock_ruleset, handled_access_net);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
    if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        return -1;
    return close(fd);
}

static int drop_system_calls(bool tls)
{
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    if (tls)
        program =
            (struct sock_fprog){sizeof filter_for_tls / sizeof filter_for_tls[0], filter_for_tls};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int confine_front(int in, int out, int wall, bool tls)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || drop_paths() != 0 ||
        move_descriptors(in, out, wall) != 0 || set_limits() != 0)
        return -1;
    return drop_system_calls(tls);
}
