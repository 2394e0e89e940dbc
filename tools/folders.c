#include "folders.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

struct slice folders_parent(struct slice path)
{
    while (path.len > 1 && path.at[path.len - 1] != '/')
        path.len--;
    while (path.len > 1 && path.at[path.len - 1] == '/')
        path.len--;
    return path;
}

/* Leaves one of each. */
static size_t distinct(struct slice *paths, size_t count)
{
    struct table table = {0};
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        size_t other = i;
        if (table_add(&table, paths[i].at, paths[i].len, &other))
            paths[kept++] = paths[i];
    }
    table_free(&table);
    return kept;
}

void folders_write(const struct source *source, FILE *to)
{
    struct slice *paths = NULL;
    size_t count = 0, room = 0;

    for (size_t i = 0; i < source->users_len; i++) {
        struct slice mailbox = source->users[i].mailbox;
        if (mailbox.len == 0 || *mailbox.at != '/')
            continue;
        paths = memory_grow(paths, count, &room, sizeof *paths);
        paths[count++] = folders_parent(mailbox);
    }
    for (count = distinct(paths, count); count > FOLDERS_MAX; count = distinct(paths, count))
        for (size_t i = 0; i < count; i++)
            paths[i] = folders_parent(paths[i]);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "%.*s\n", SLICE(paths[i]));
    free(paths);
}
