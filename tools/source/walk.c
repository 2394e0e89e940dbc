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

static bool is_kind(const char *key, size_t len, const char *kind)
{
    size_t kind_len = strlen(kind);

    return len > kind_len && key[kind_len] == ':' && memcmp(key, kind, kind_len) == 0;
}

int walk_next(struct walk *walk)
{
    struct slice key;
    int more;

    do {
        database_rewind(walk->db, walk->mark);
        more = database_next(walk->db, &walk->at, &key, &walk->value);
        for (size_t i = 0; more == 1 && i < WALK_KINDS; i++) {
            if (!is_kind(key.at, key.len, kinds[i]))
                continue;
            size_t skipped = strlen(kinds[i]) + 1;
            walk->kind = (enum walk_kind)i;
            walk->name = (struct slice){key.at + skipped, key.len - skipped};
            return 1;
        }
    } while (more == 1);
    return more;
}
