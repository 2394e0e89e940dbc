#include "nofollow.h"

#include "../../smtpd/base/file.h"

#include <fcntl.h>

int nofollow_open(const char *path, int flags)
{
    return file_openat2(AT_FDCWD, path, flags | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
}
