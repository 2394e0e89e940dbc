#include "strangers.h"

#include "memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* the limit of the kernel */

static bool is_strange(const struct stat *st, enum strangers_regard regard, uid_t trusted)
{
    bool strange = st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != trusted;

    if (S_ISLNK(st->st_mode))
        return strange;
    if (regard == STRANGERS_LINKS || !S_ISDIR(st->st_mode))
        return false;
    return strange || ((st->st_mode & S_IWOTH) != 0 && (st->st_mode & S_ISVTX) == 0);
}

/* The path with the link at its first len bytes followed; NULL if it cannot be read. */
static char *follow(const char *path, size_t len, const char *link)
{
    char target[PATH_MAX];
    ssize_t target_len = readlink(link, target, sizeof target - 1);
    size_t above = len;

    if (target_len <= 0)
        return NULL;
    target[target_len] = '\0';
    while (*target != '/' && above > 0 && path[above - 1] != '/')
        above--;
    return memory_format("%.*s%s%s", *target == '/' ? 0 : (int)above, path, target, path + len);
}

/* Walks up to the first link or stranger. Returns the path with that link followed, else NULL. */
static char *walk(const char *path, enum strangers_regard regard, uid_t trusted,
                  struct stranger *stranger)
{
    for (size_t end = 0, start; path[start = end + strspn(path + end, "/")] != '\0';) {
        end = start + strcspn(path + start, "/");
        bool last = path[end + strspn(path + end, "/")] == '\0';
        char *prefix = memory_format("%.*s", (int)end, path);
        struct stat st;
        bool found = lstat(prefix, &st) == 0, is_link = found && S_ISLNK(st.st_mode);
        if (found && (is_link || !last) && is_strange(&st, regard, trusted)) {
            *stranger = (struct stranger){prefix, st.st_uid};
            return NULL;
        }
        char *next = is_link ? follow(path, end, prefix) : NULL;
        free(prefix);
        if (next != NULL)
            return next;
    }
    return NULL;
}

bool strangers_find(const char *path, enum strangers_regard regard, uid_t trusted,
                    struct stranger *stranger)
{
    char *way = memory_format("%s%s", *path == '/' ? "" : "./", path), *next;

    *stranger = (struct stranger){.path = NULL};
    for (int links = 0; links < LINKS_MAX && (next = walk(way, regard, trusted, stranger)) != NULL;
         links++) {
        free(way);
        way = next;
    }
    free(way);
    return stranger->path != NULL;
}
