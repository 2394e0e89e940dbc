#include "undo.h"

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
    snprintf(to, NAME_MAX + 1, "%s.undo", name); /* mbox.c has checked the length */
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

/* Is there a mailbox's "From " line in text, be it behind a line that has no end? As every program
 * writes it: a word, and a date as asctime() gives it. A quoted one is none. */
static bool has_from_line(const char *text, size_t len)
{
    static const char days[] = "MonTueWedThuFriSatSun";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    enum { DATE_LEN = sizeof "Mon Nov 23 17:36" - 1 };
    const char *end = text + len, *from = text;

    while ((from = memmem(from, (size_t)(end - from), "From ", 5)) != NULL) {
        bool quoted = from > text && from[-1] == '>';
        from += 5;
        const char *date = from;
        while (date<end && * date> ' ')
            date++;
        while (date < end && *date == ' ')
            date++;
        if (!quoted && end - date >= DATE_LEN && date[3] == ' ' && date[7] == ' ' &&
            date[10] == ' ' && date[13] == ':' && memmem(days, sizeof days - 1, date, 3) != NULL &&
            memmem(months, sizeof months - 1, date + 4, 3) != NULL)
            return true;
    }
    return false;
}

/*
 * Is the tail, all that stands behind undo->size, our message or a beginning of it, but not whole,
 * and nothing else? It is not, if another program has broken our lock in the meantime and appended
 * a message of its own, perhaps to our last, torn line; or has rewritten the mailbox. Every message
 * has an empty line in it, ours has its id before that; and a "From " line, ours but one. A power
 * cut may leave NULs where a file system has made the file longer before it wrote the bytes: in the
 * block that was there before, hence at the beginning, or at the end. In doubt nothing is cut off.
 */
static bool is_torn(const struct undo *undo, const char *tail, size_t len)
{
    enum { TRACE_WITHIN = 8192 };
    bool full_length = (intmax_t)len == undo->end - undo->size;
    bool ends = len >= 2 && memcmp(tail + len - 2, "\n\n", 2) == 0;
    const char *text = tail, *end = tail + len;
    bool lost_start = false;

    for (; text < end && (*text == '\0' || (*text == '\n' && text < tail + 2)); text++)
        lost_start = lost_start || *text == '\0'; /* else it is a separator */
    size_t left = (size_t)(end - text), from = left < 5 ? left : 5;
    bool begins = memcmp(text, "From ", from) == 0;
    bool has_id =
        memmem(text, left < TRACE_WITHIN ? left : TRACE_WITHIN, undo->id, strlen(undo->id)) != NULL;
    if (!lost_start && (!begins || (full_length && !has_id)))
        return false;
    if (!lost_start && full_length && ends) /* it is whole */
        return false;
    if (begins && (has_id || !lost_start)) { /* its own "From " line */
        text += from;
        left -= from;
    }
    bool ours = lost_start || has_id;
    return (ours || memmem(text, left, "\n\n", 2) == NULL) && !has_from_line(text, left);
}

/* The same of the file. 1, 0, or -1 with errno. */
static int has_torn_tail(int fd, const struct undo *undo, off_t size)
{
    off_t page = undo->size - undo->size % sysconf(_SC_PAGESIZE);
    size_t before = (size_t)(undo->size - page), len = (size_t)(size - undo->size);
    char *map = mmap(NULL, before + len, PROT_READ, MAP_PRIVATE, fd, page);

    if (map == MAP_FAILED)
        return -1;
    int torn = is_torn(undo, map + before, len);
    munmap(map, before + len);
    return torn;
}

int undo_restore(int folder, const char *name, int fd, bool *restored)
{
    char link[NAME_MAX + 1], text[128];
    struct undo undo;
    struct stat st;

    link_name(link, name);
    ssize_t len = readlinkat(folder, link, text, sizeof text - 1);
    if (len < 0)
        return errno == ENOENT || errno == EINVAL ? 0 : -1;
    text[len] = '\0';
    if (fstatat(folder, link, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    bool trusted = st.st_uid == geteuid() || st.st_uid == 0; /* in /var/mail anyone may make one */
    if (fstat(fd, &st) != 0)
        return -1;
    bool fits =
        trusted &&
        sscanf(text, "%jd %jd %ju %31s", &undo.size, &undo.end, &undo.inode, undo.id) == 4 &&
        undo.inode == st.st_ino && undo.size >= 0 && st.st_size > undo.size &&
        st.st_size <= undo.end;
    int torn = fits ? has_torn_tail(fd, &undo, st.st_size) : 0;
    if (torn < 0 || (torn == 1 && ftruncate(fd, undo.size) != 0))
        return -1;
    *restored = torn == 1;
    return unlinkat(folder, link, 0);
}
