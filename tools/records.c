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
    *records = (struct records){.db = db};
    cdb_seqinit(&records->at, &db->cdb);
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

/* Those of which there is one. */
static int check_single_ones(struct database *db)
{
    static const char *const single[] = {"settings", "auth", "texts", "folders"};
    struct slice ignored;

    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        if (database_find(db, single[i], NULL, 0, &ignored) < 0)
            return -1;
    return 0;
}

int records_next(struct records *records)
{
    struct cdb *cdb = &records->db->cdb;
    int more;

    while ((more = cdb_seqnext(&records->at, cdb)) > 0) {
        const char *key = cdb_getkey(cdb);
        size_t len = cdb_keylen(cdb);
        for (size_t i = 0; key != NULL && i < RECORDS_KINDS; i++) {
            if (!is_kind(key, len, kinds[i]))
                continue;
            size_t skipped = strlen(kinds[i]) + 1;
            records->kind = (enum records_kind)i;
            records->name = (struct slice){key + skipped, len - skipped};
            int found = database_find(records->db, kinds[i], records->name.at, records->name.len,
                                      &records->value);
            return found == 1 ? 1 : -1;
        }
    }
    return more < 0 ? -1 : check_single_ones(records->db);
}
