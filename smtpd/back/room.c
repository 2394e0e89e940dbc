#include "room.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

bool room_on_disk(const struct settings *settings, uint64_t size)
{
    struct statvfs disk;

    if (size == 0 || statvfs(settings->mail_root, &disk) != 0 || disk.f_frsize == 0 ||
        disk.f_blocks == 0) /* it does not tell */
        return true;
    uint64_t blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
    return blocks >= size / disk.f_frsize;
}

bool room_in_mailbox(const struct settings *settings, const struct directory_user *user,
                     uint64_t size)
{
    char path[2 * SETTINGS_PATH_MAX], undo[sizeof path + sizeof ".undo"];
    struct stat st;
    bool absolute = *user->mailbox == '/';

    if (user->quota == 0)
        return true;
    snprintf(path, sizeof path, "%s%s%.*s", absolute ? "" : settings->mail_root,
             absolute ? "" : "/", (int)user->mailbox_len, user->mailbox);
    snprintf(undo, sizeof undo, "%s.undo", path);
    if (lstat(undo, &st) == 0) /* what is torn in it goes when it is opened, so it must be */
        return true;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return size <= user->quota;
    return (uint64_t)st.st_size < user->quota && size <= user->quota - (uint64_t)st.st_size;
}
