#include "mbox_folder.h"

#include "../base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUSY_TRIES = 40,
    BUSY_WAIT_MS = 25,
};

/* A symbolic link on the way is an error (CVE-2010-2024 and its kin). EAGAIN: a folder is being
 * moved, or somebody has a lease on the file. */
int mbox_open_beneath(int folder, const char *path, int flags, mode_t mode, bool wait)
{
    const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    int fd, tries = 0;

    flags |= O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    while ((fd = file_openat2(folder, path, flags, mode, resolve)) < 0 &&
           (errno == EINTR || (errno == EAGAIN && wait && tries++ < BUSY_TRIES)))
        if (errno == EAGAIN)
            usleep(BUSY_WAIT_MS * 1000);
    if (fd < 0 && errno == EAGAIN)
        errno = MBOX_LOCKED;
    if (fd < 0 && (errno == ELOOP || errno == EXDEV || errno == EISDIR || errno == ENOTDIR))
        errno = MBOX_UNSAFE;
    return fd;
}

/* Opens a folder beneath parent, which it closes, and makes it if need be. */
static int open_subfolder(int parent, const char *path, bool make)
{
    int folder = mbox_open_beneath(parent, path, O_RDONLY | O_DIRECTORY, 0, true);

    if (folder < 0 && errno == ENOENT && make) {
        if (mkdirat(parent, path, 0700) == 0 || errno == EEXIST)
            folder = mbox_open_beneath(parent, path, O_RDONLY | O_DIRECTORY, 0, true);
    }
    file_close(parent);
    return folder;
}

/* The administrator has written this path: links on it are meant. */
int mbox_open_root(const char *path)
{
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root < 0 && errno == ENOENT && (mkdir(path, 0700) == 0 || errno == EEXIST))
        root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root;
}

int mbox_open_folder(const char *root, struct slice path)
{
    char folder[PATH_MAX];
    const char *slash = memrchr(path.at, '/', path.len);
    size_t len = slash == NULL ? 0 : (size_t)(slash - path.at);
    bool absolute = slice_begins(path, "/");

    if (len >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    *(char *)mempcpy(folder, path.at, len) = '\0';
    int fd = absolute ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : mbox_open_root(root);
    return fd >= 0 && len > absolute ? open_subfolder(fd, folder + absolute, !absolute) : fd;
}
