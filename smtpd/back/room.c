#include "room.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { DISK_STEP_MAX = 1 << 20 };

/* Any client can try sizes until it knows the answer to the byte: how full a mailbox is, and when
 * its owner reads mail, is nobody's business. So room is rounded up to a multiple of a power of
 * two, about an eighth of the whole. */
static uint64_t coarse(uint64_t room, uint64_t whole, uint64_t step_max)
{
    uint64_t step = 1;

    while (step <= whole / 16 && step < step_max)
        step *= 2;
    uint64_t rest = room % step;
    return rest == 0 || room > UINT64_MAX - step ? room : room - rest + step;
}

static bool has_room(const char *path, uint64_t size)
{
    struct statvfs disk;

    if (size == 0 || statvfs(path, &disk) != 0 || disk.f_frsize == 0 ||
        disk.f_blocks == 0) /* it does not tell */
        return true;
    uint64_t blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
    uint64_t step_max = disk.f_frsize < DISK_STEP_MAX ? DISK_STEP_MAX / disk.f_frsize : 1;
    return coarse(blocks, disk.f_blocks, step_max) >= size / disk.f_frsize;
}

bool room_on_disk(const struct settings *settings, uint64_t size)
{
    return has_room(settings->mail_root, size);
}

static bool is_within_quota(const char *path, uint64_t quota, uint64_t size)
{
    char undo[DIRECTORY_PATH_MAX + sizeof ".undo"];
    struct stat st;

    snprintf(undo, sizeof undo, "%s.undo", path);
    if (lstat(undo, &st) == 0) /* what is torn in it goes when it is opened, so it must be */
        return true;
    uint64_t used = 0;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
        used = (uint64_t)st.st_size;
    return used < quota && size <= coarse(quota - used, quota, UINT64_MAX);
}

enum verdict room_in_mailbox(const struct settings *settings, const struct directory_user *user,
                             uint64_t size)
{
    char path[DIRECTORY_PATH_MAX];

    directory_mailbox(settings, user, path);
    if (user->quota > 0 && !is_within_quota(path, user->quota, size))
        return VERDICT_OVER_QUOTA;
    return *user->mailbox == '/' && !has_room(path, size) ? VERDICT_NO_SPACE : VERDICT_OK;
}
