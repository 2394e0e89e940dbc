#include "folders.h"

#include "../kit/memory.h"

#include <stdlib.h>
#include <string.h>

/* Folders that have a common parent. */
struct group {
    size_t first, count;
};

struct slice folders_parent(struct slice path)
{
    while (path.len > 1 && path.at[path.len - 1] != '/')
        path.len--;
    while (path.len > 1 && path.at[path.len - 1] == '/')
        path.len--;
    return path;
}

static size_t depth_of(struct slice path)
{
    size_t depth = 0;

    for (size_t i = 0; path.len > 1 && i < path.len; i++)
        depth += path.at[i] == '/';
    return depth;
}

/* The first `depth` names of a path that has more. */
static struct slice ancestor(struct slice path, size_t depth)
{
    size_t len = 0;

    for (size_t seen = 0; len < path.len; len++)
        if (path.at[len] == '/' && seen++ == depth)
            break;
    return (struct slice){path.at, len};
}

static bool is_beneath(struct slice path, struct slice folder)
{
    return path.len >= folder.len && memcmp(path.at, folder.at, folder.len) == 0 &&
           (path.len == folder.len || path.at[folder.len] == '/');
}

/* In the order of bytes, except that the contents of a folder come right after it. */
static int compare_paths(const void *one, const void *other)
{
    const struct slice *a = one, *b = other;

    for (size_t i = 0; i < a->len && i < b->len; i++) {
        unsigned char x = (unsigned char)a->at[i], y = (unsigned char)b->at[i];
        if (x != y)
            return x == '/' ? -1 : y == '/' ? 1 : x - y;
    }
    return a->len < b->len ? -1 : a->len > b->len;
}

static int compare_groups(const void *one, const void *other)
{
    const struct group *a = one, *b = other;

    return a->count > b->count ? -1 : a->count < b->count;
}

/* Removes those below another one, which makes no difference. The paths are sorted. */
static size_t keep_outermost(struct slice *paths, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !is_beneath(paths[i], paths[kept - 1]))
            paths[kept++] = paths[i];
    return kept;
}

/* Replaces folders by their common ancestor with `depth` names: the largest groups first, and no
 * more of them than necessary. */
static size_t lift(struct slice *paths, size_t count, size_t depth)
{
    struct group *groups = memory_get(count * sizeof *groups);
    size_t groups_len = 0, left = count;

    for (size_t i = 0; i < count; i++) {
        struct slice folder = ancestor(paths[i], depth);
        if (depth_of(paths[i]) <= depth)
            continue;
        size_t first = i;
        while (i + 1 < count && is_beneath(paths[i + 1], folder))
            i++;
        if (i > first)
            groups[groups_len++] = (struct group){first, i - first + 1};
    }
    qsort(groups, groups_len, sizeof *groups, compare_groups);
    for (size_t i = 0; i < groups_len && left > FOLDERS_MAX; i++) {
        paths[groups[i].first] = ancestor(paths[groups[i].first], depth);
        left -= groups[i].count - 1;
    }
    free(groups);
    return keep_outermost(paths, count);
}

/* All folders of mailboxes outside mail-root, sorted. */
static size_t collect(const struct source *source, struct slice **paths)
{
    struct slice root = slice_of(source->settings.mail_root);
    size_t count = 0, room = 0;

    while (root.len > 1 && root.at[root.len - 1] == '/')
        root.len--;
    *paths = NULL;
    for (size_t i = 0; i < source->users_len; i++) {
        struct slice mailbox = source->users[i].mailbox;
        if (mailbox.len == 0 || *mailbox.at != '/')
            continue;
        struct slice folder = folders_parent(mailbox);
        if (folder.len <= 1 || is_beneath(folder, root))
            continue;
        *paths = memory_grow(*paths, count, &room, sizeof **paths);
        (*paths)[count++] = folder;
    }
    if (count > 0)
        qsort(*paths, count, sizeof **paths, compare_paths);
    return keep_outermost(*paths, count);
}

/* The number of folders, and the folders, allocated. The deepest are lifted first, but none to `/`
 * or to a folder in it, so there may still be more than FOLDERS_MAX. */
static size_t find(const struct source *source, struct slice **paths)
{
    enum { DEPTH_MIN = 2 };
    size_t count = collect(source, paths), deepest = 0;

    for (size_t i = 0; i < count && count > FOLDERS_MAX; i++)
        if (depth_of((*paths)[i]) > deepest)
            deepest = depth_of((*paths)[i]);
    while (count > FOLDERS_MAX && deepest-- > DEPTH_MIN)
        count = lift(*paths, count, deepest);
    return count;
}

void folders_check(const struct source *source, struct report *report)
{
    struct slice *paths;
    size_t count = find(source, &paths);
    unsigned line = 0;

    for (size_t i = 0; i < source->users_len; i++) {
        struct slice mailbox = source->users[i].mailbox;
        if (mailbox.len == 0 || *mailbox.at != '/')
            continue;
        line = source->users[i].line;
        if (folders_parent(mailbox).len <= 1)
            report_error(report, source->users_text.name, line,
                         "mailbox %.*s: with a mailbox in /, the server could write to the whole "
                         "system: put it in a folder",
                         SLICE(mailbox));
    }
    if (count > FOLDERS_MAX)
        report_error(report, source->users_text.name, line,
                     "with this user, mailboxes are in %zu folders outside mail-root, such as %.*s "
                     "and %.*s, but at most %d are possible: move mailboxes to common folders (not "
                     "directly in /), or set mail-root in mailslot.conf to a folder that contains "
                     "them all",
                     count, SLICE(paths[0]), SLICE(paths[count - 1]), FOLDERS_MAX);
    free(paths);
}

void folders_write(const struct source *source, FILE *to)
{
    struct slice *paths;
    size_t count = find(source, &paths);

    for (size_t i = 0; i < count; i++)
        fprintf(to, "%.*s\n", SLICE(paths[i]));
    free(paths);
}
