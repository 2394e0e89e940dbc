#include "sockets.h"

#include <stdlib.h>
#include <string.h>

/* Those that were found, each once. */
struct sockets {
    struct map map;
    struct slice last;
    FILE *to; /* NULL: they are only counted */
};

static void add(struct sockets *sockets, const struct source *source, struct slice path)
{
    size_t ignored = 0;

    if (slice_equal(path, sockets->last))
        return;
    sockets->last = path;
    if (!slice_equal(path, source->settings.mailboxes) && map_add(&sockets->map, path, &ignored) &&
        sockets->to != NULL)
        fprintf(sockets->to, "%.*s\n", SLICE(path));
}

static size_t find(const struct source *source, FILE *to)
{
    struct sockets sockets = {.to = to};
    struct slice path;

    for (size_t i = 0; i < source->users_len; i++)
        if (source_in_store(&source->users[i], &path))
            add(&sockets, source, path);
    for (size_t i = 0; i < source->hops_len; i++)
        if (slice_begins(source->hops[i], SOURCE_STORE))
            add(&sockets, source, slice_from(source->hops[i], strlen(SOURCE_STORE)));
    size_t count = sockets.map.used;
    map_free(&sockets.map);
    return count;
}

void sockets_check(const struct source *source, struct report *report)
{
    size_t count = find(source, NULL);

    if (count > SOCKETS_MAX)
        report_error(report, source->users_text.name, 0,
                     "users and aliases name %zu sockets of mail stores, but at most %d are "
                     "possible",
                     count, SOCKETS_MAX);
}

size_t sockets_write(const struct source *source, FILE *to)
{
    return find(source, to);
}
