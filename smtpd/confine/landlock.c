#include "landlock.h"

#include "../base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the kernel defines it today; older headers have less of it, older kernels ask for less. */
struct ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/* All rights on paths that each version knows of. */
static uint64_t known(int version)
{
    static const uint64_t rights[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
    enum { KNOWN = sizeof rights / sizeof rights[0] - 1 };

    return rights[version < KNOWN ? version : KNOWN];
}

int landlock_version(void)
{
    enum { QUERY = 1 << 0 };
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, QUERY);

    if (version > 0)
        return (int)version;
    return version == 0 || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? 0 : -1;
}

int landlock_begin(int version, bool signals)
{
    enum { SCOPE_SOCKETS = 1 << 0, SCOPE_SIGNALS = 1 << 1 };
    const struct ruleset ruleset = {
        .handled_access_fs = known(version),
        .handled_access_net = version >= 4 ? 0x3 : 0, /* bind and connect */
        .scoped = version < 6 ? 0
                  : signals   ? SCOPE_SOCKETS
                              : SCOPE_SOCKETS | SCOPE_SIGNALS,
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
    enum { PATH_BENEATH = 1 };
    struct path_rule rule = {.allowed = rights & known(version)};

    rule.parent = open_folder(path, links);
    if (rule.parent < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP ? 0 : -1;
    int result = 0;
    if ((rights & ~LANDLOCK_READ) == 0 || !is_root(rule.parent))
        result = (int)syscall(SYS_landlock_add_rule, ruleset, PATH_BENEATH, &rule, 0);
    file_close(rule.parent);
    return result;
}

int landlock_enforce(int ruleset)
{
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return -1;
    return close(ruleset);
}
