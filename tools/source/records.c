#include "records.h"

#include <string.h>

static const char *const kinds[RECORDS_KINDS] = {
    [RECORDS_DOMAIN] = "domain",
    [RECORDS_USER] = "user",
    [RECORDS_ALIAS] = "alias",
    [RECORDS_CREDENTIAL] = "credential",
};

void records_begin(struct records *records, struct database *db)
{
    *records = (struct records){.db = db, .mark = database_mark(db)};
}

const char *records_kind(enum records_kind kind)
{
    return kinds[kind];
}

static bool is_kind(const char *key, size_t len, const char *kind)
{
    size_t kind_len = strlen(kind);

    return len > kind_len && key[kind_len] == ':' && memcmp(key, kind, kind_len) == 0;
}

int records_next(struct records *records)
{
    struct slice key;
    int more;

    do {
        database_rewind(records->db, records->mark);
        more = database_next(records->db, &records->at, &key, &records->value);
        for (size_t i = 0; more == 1 && i < RECORDS_KINDS; i++) {
            if (!is_kind(key.at, key.len, kinds[i]))
                continue;
            size_t skipped = strlen(kinds[i]) + 1;
            records->kind = (enum records_kind)i;
            records->name = (struct slice){key.at + skipped, key.len - skipped};
            return 1;
        }
    } while (more == 1);
    return more;
}
