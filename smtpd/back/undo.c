#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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

static ssize_t read_at(int fd, char *to, size_t len, off_t at)
{
    ssize_t got;

    do
        got = pread(fd, to, len, at);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Is there a mailbox's "From " line in text, be it behind a line that has no end? The caller takes
 * care that no line is cut in two. */
static bool has_from_line(const char *text, size_t len)
{
    static const char days[7][6] = {" Mon ", " Tue ", " Wed ", " Thu ", " Fri ", " Sat ", " Sun "};
    const char *end = text + len, *from = text;

    while ((from = memmem(from, (size_t)(end - from), "From ", 5)) != NULL) {
        const char *newline = memchr(from, '\n', (size_t)(end - from));
        size_t line = (size_t)((newline == NULL ? end : newline) - from);
        for (size_t i = 0; i < 7; i++)
            if (memmem(from, line, days[i], 5) != NULL)
                return true;
        from += 5;
    }
    return false;
}

/*
 * Is what stands behind undo->size a beginning of our message and nothing else? It is not, if
 * another program has broken our lock in the meantime and appended a message of its own, perhaps to
 * our last, torn line; or has rewritten the mailbox. Every message has an empty line in it, ours
 * has its id before that, and a "From " line, ours but one. In doubt nothing is cut off. 1, 0, or
 * -1 with errno.
 */
static int is_torn(int fd, const struct undo *undo, off_t size)
{
    enum { OVERLAP = 1024 }; /* a "From " line is shorter */
    char buffer[OVERLAP + 8192];
    size_t kept = 0; /* of the bytes before, so that nothing is missed at an edge */
    bool ours = false, begun = false;

    for (off_t at = undo->size; at < size;) {
        ssize_t got = read_at(fd, buffer + kept, sizeof buffer - kept, at);
        if (got <= 0)
            return (int)got;
        size_t len = kept + (size_t)got;
        char *text = buffer;
        if (!begun) { /* first come the separators, then "From " */
            while (len > 0 && text < buffer + 2 && *text == '\n') {
                text++;
                len--;
            }
            if (memcmp(text, "From ", len < 5 ? len : 5) != 0)
                return 0;
            begun = true;
            ours = memmem(text, len, undo->id, strlen(undo->id)) != NULL;
            text += len < 5 ? len : 5;
            len -= len < 5 ? len : 5;
        }
        if (has_from_line(text, len) || (!ours && memmem(text, len, "\n\n", 2) != NULL))
            return 0;
        at += got;
        kept = len < OVERLAP ? len : OVERLAP;
        memmove(buffer, text + len - kept, kept);
    }
    return 1;
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
        st.st_size < undo.end;
    int torn = fits ? is_torn(fd, &undo, st.st_size) : 0;
    if (torn < 0 || (torn == 1 && ftruncate(fd, undo.size) != 0))
        return -1;
    *restored = torn == 1;
    return unlinkat(folder, link, 0);
}
