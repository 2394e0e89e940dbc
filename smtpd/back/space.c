#include "space.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { DISK_STEP_MAX = 1 << 20 };

/* A client can try sizes until it knows the answer to the byte. How full a mailbox is, and when its
 * owner reads mail, must not be found out that way: so free space is rounded up to a multiple of a
 * power of two, about an eighth of the whole. */
static uint64_t coarse(uint64_t space, uint64_t whole, uint64_t step_max)
{
    uint64_t step = 1;

    while (step <= whole / 16 && step < step_max)
        step *= 2;
    uint64_t rest = space % step;
    return rest == 0 || space > UINT64_MAX - step ? space : space - rest + step;
}

static bool disk_has(const char *path, uint64_t size)
{
    struct statvfs disk;

    if (size == 0 || statvfs(path, &disk) != 0 || disk.f_frsize == 0 || disk.f_blocks == 0)
        return true; /* some file systems report nothing */
    uint64_t blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
    uint64_t step_max = disk.f_frsize < DISK_STEP_MAX ? DISK_STEP_MAX / disk.f_frsize : 1;
    return coarse(blocks, disk.f_blocks, step_max) >= size / disk.f_frsize;
}

bool space_in_mail_root(const struct settings *settings, uint64_t size)
{
    return disk_has(settings->mail_root, size);
}

static bool is_within_quota(const char *path, uint64_t quota, uint64_t size)
{
    char undo[DIRECTORY_PATH_MAX + sizeof ".undo"];
    struct stat st;

    snprintf(undo, sizeof undo, "%s.undo", path);
    if (lstat(undo, &st) == 0) /* the delivery must come, to cut off the torn message */
        return true;
    uint64_t used = 0;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
        used = (uint64_t)st.st_size;
    return used < quota && size <= coarse(quota - used, quota, UINT64_MAX);
}

enum verdict space_in_mailbox(const struct settings *settings, const struct directory_user *user,
                              uint64_t size)
{
    char path[DIRECTORY_PATH_MAX];

    directory_mailbox(settings, user, path);
    if (user->quota > 0 && !is_within_quota(path, user->quota, size))
        return VERDICT_OVER_QUOTA;
    bool elsewhere = slice_begins(user->mailbox, "/");
    return elsewhere && !disk_has(path, size) ? VERDICT_NO_SPACE : VERDICT_OK;
}
