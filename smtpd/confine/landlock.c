#include "landlock.h"

#include "../base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP (1ULL << 0)
#define LANDLOCK_ACCESS_NET_CONNECT_TCP (1ULL << 1)
#endif
#ifndef LANDLOCK_SCOPE_SIGNAL
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

/* struct landlock_ruleset_attr as it is today: older headers have less of it, and older kernels
 * take less of it. */
struct ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

/* All rights on paths that this version knows of. */
static uint64_t known(int version)
{
    uint64_t first = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

    return first | (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) |
           (version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0) |
           (version >= 5 ? LANDLOCK_ACCESS_FS_IOCTL_DEV : 0) |
           (version >= LANDLOCK_SOCKETS ? LANDLOCK_ACCESS_FS_RESOLVE_UNIX : 0);
}

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version > 0)
        return (int)version;
    return version == 0 || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? 0 : -1;
}

int landlock_begin(int version, bool signals)
{
    const struct ruleset ruleset = {
        .handled_access_fs = known(version),
        .handled_access_net = LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP,
        .scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | (signals ? 0 : LANDLOCK_SCOPE_SIGNAL),
    };
    size_t size = version >= 6   ? sizeof ruleset
                  : version >= 4 ? offsetof(struct ruleset, scoped)
                                 : offsetof(struct ruleset, handled_access_net);

    return (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
}

static int open_folder(const char *path, bool links)
{
    return file_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, links ? 0 : RESOLVE_NO_SYMLINKS);
}

static bool is_root(int folder)
{
    struct stat st, root;

    return fstat(folder, &st) != 0 || stat("/", &root) != 0 ||
           (st.st_dev == root.st_dev && st.st_ino == root.st_ino);
}

int landlock_allow(int ruleset, int version, const char *path, uint64_t rights, bool links)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & known(version)};

    if (rule.allowed_access == 0)
        return 0;
    rule.parent_fd = open_folder(path, links);
    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP ? 0 : -1;
    int result = 0;
    if ((rights & ~LANDLOCK_READ) == 0 || !is_root(rule.parent_fd))
        result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    file_close(rule.parent_fd);
    return result;
}

int landlock_enforce(int ruleset)
{
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return -1;
    return close(ruleset);
}
