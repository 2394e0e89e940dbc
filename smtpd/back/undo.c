#include "undo.h"

#include "../clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct undo {
    intmax_t size, end;
    uintmax_t inode;
    char id[32];
};

static void link_name(char to[NAME_MAX + 1], const char *name)
{
    snprintf(to, NAME_MAX + 1, "%s.undo", name); /* mbox_open() has checked the length */
}

int undo_make(int folder, const char *name, int fd, off_t size, off_t end, const char *id)
{
    char link[NAME_MAX + 1], text[128];
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    link_name(link, name);
    snprintf(text, sizeof text, "%jd %jd %ju %s", (intmax_t)size, (intmax_t)end,
             (uintmax_t)st.st_ino, id);
    return symlinkat(text, folder, link);
}

int undo_remove(int folder, const char *name)
{
    char link[NAME_MAX + 1];

    link_name(link, name);
    return unlinkat(folder, link, 0);
}

/*
 * Is the tail, all that stands behind undo->size, our message or a beginning of it, but not whole,
 * and nothing else? Nobody who heeds lock files has been at the mailbox since; but somebody may
 * have who locks by fcntl alone: then there is a second line that begins with "From ", for in ours
 * such lines are quoted; or the first one is not there. After a power cut there may be NULs, where
 * the file system has made the file longer before it wrote the bytes.
 */
static bool is_torn(const struct undo *undo, const char *tail, size_t len, bool power_cut)
{
    enum { TRACE_WITHIN = 8192 };
    bool full_length = (intmax_t)len == undo->end - undo->size;
    bool ends = len >= 2 && memcmp(tail + len - 2, "\n\n", 2) == 0;
    bool lost_start = false;
    size_t at = 0;

    for (; at < len && (tail[at] == '\0' || (at < 2 && tail[at] == '\n')); at++)
        lost_start = lost_start || tail[at] == '\0'; /* else it is a separator */
    const char *text = tail + at;
    size_t left = len - at;
    bool begins = memcmp(text, "From ", left < 5 ? left : 5) == 0;
    bool has_id =
        memmem(text, left < TRACE_WITHIN ? left : TRACE_WITHIN, undo->id, strlen(undo->id)) != NULL;

    if (full_length && !lost_start && begins && has_id && ends)
        return false; /* it is whole */
    if (!power_cut && (lost_start || !begins || (full_length && !has_id)))
        return false;
    if (!lost_start && !has_id && memmem(text, left, "\n\n", 2) != NULL)
        return false; /* every message has an empty line in it, and ours its id before that */
    return memmem(text, left, "\nFrom ", 6) == NULL;
}

/* The same of the file. 1, 0, or -1 with errno. */
static int has_torn_tail(int fd, const struct undo *undo, off_t size, bool power_cut)
{
    off_t page = undo->size - undo->size % sysconf(_SC_PAGESIZE);
    size_t before = (size_t)(undo->size - page), len = (size_t)(size - undo->size);
    char *map = mmap(NULL, before + len, PROT_READ, MAP_PRIVATE, fd, page);

    if (map == MAP_FAILED)
        return -1;
    int torn = is_torn(undo, map + before, len, power_cut);
    munmap(map, before + len);
    return torn;
}

/* In /var/mail anyone may make a link. */
static bool is_trusted(const struct stat *link, const struct stat *mailbox, uid_t server)
{
    return link->st_uid == server || link->st_uid == mailbox->st_uid || link->st_uid == 0;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Is the mailbox as the one left it who made the link? His lock file must still be there, the one
 * made before the link; and after a power cut nobody may have written since the machine is up
 * again: for then the link may be one that was removed already, and its message acknowledged. */
static bool is_untouched(const struct stat *link, const struct stat *mailbox,
                         const struct timespec *lock_made, bool power_cut)
{
    return lock_made != NULL && !is_later(lock_made, &link->st_mtim) &&
           !(power_cut && mailbox->st_mtime >= clock_boot());
}

int undo_restore(int folder, const char *name, int fd, uid_t server,
                 const struct timespec *lock_made, bool *restored)
{
    char link[NAME_MAX + 1], text[128];
    struct stat linked, mailbox;
    struct undo undo;

    link_name(link, name);
    ssize_t len = readlinkat(folder, link, text, sizeof text - 1);
    if (len < 0)
        return errno == ENOENT || errno == EINVAL ? 0 : -1;
    text[len] = '\0';
    if (fstatat(folder, link, &linked, AT_SYMLINK_NOFOLLOW) != 0 || fstat(fd, &mailbox) != 0)
        return -1;
    bool power_cut = linked.st_mtime < clock_boot() - 1;
    bool fits =
        is_trusted(&linked, &mailbox, server) &&
        is_untouched(&linked, &mailbox, lock_made, power_cut) &&
        sscanf(text, "%jd %jd %ju %31s", &undo.size, &undo.end, &undo.inode, undo.id) == 4 &&
        undo.inode == mailbox.st_ino && undo.size >= 0 && mailbox.st_size > undo.size &&
        mailbox.st_size <= undo.end;
    int torn = fits ? has_torn_tail(fd, &undo, mailbox.st_size, power_cut) : 0;
    if (torn < 0 || (torn == 1 && ftruncate(fd, undo.size) != 0))
        return -1;
    *restored = *restored || torn == 1;
    return unlinkat(folder, link, 0);
}
