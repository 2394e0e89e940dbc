#include "walk.h"

#include <string.h>

static const char *const kinds[WALK_KINDS] = {
    [WALK_DOMAIN] = "domain",
    [WALK_USER] = "user",
    [WALK_ALIAS] = "alias",
    [WALK_CREDENTIAL] = "credential",
};

void walk_begin(struct walk *walk, struct database *db)
{
    *walk = (struct walk){.db = db, .mark = database_mark(db)};
}

const char *walk_kind(enum walk_kind kind)
{
    return kinds[kind];
}

static bool is_kind(struct slice key, const char *kind)
{
    return slice_begins(key, kind) && slice_begins(slice_from(key, strlen(kind)), ":");
}

int walk_next(struct walk *walk)
{
    struct slice key;
    int more;

    do {
        database_rewind(walk->db, walk->mark);
        more = database_next(walk->db, &walk->at, &key, &walk->value);
        for (size_t i = 0; more == 1 && i < WALK_KINDS; i++) {
            if (!is_kind(key, kinds[i]))
                continue;
            walk->kind = (enum walk_kind)i;
            walk->name = slice_from(key, strlen(kinds[i]) + 1);
            return 1;
        }
    } while (more == 1);
    return more;
}
