#include "unlinked.h"

#include "../../smtpd/base/file.h"

#include <fcntl.h>

int open_unlinked(const char *path, int flags)
{
    return file_openat2(AT_FDCWD, path, flags | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
}
