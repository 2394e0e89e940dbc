#include "compile.h"
#include "folders.h"
#include "walk.h"
#include "writer.h"

#include <errno.h>
#include <string.h>

/* The database that the server uses now, and which of its users are to change. */
struct patch {
    const struct source *source;
    struct database base;
    struct map keys;
};

static bool is_to_change(const struct patch *patch, struct slice key,
                         const struct source_user **now)
{
    size_t index;

    *now = NULL;
    if (!map_find(&patch->keys, key, &index))
        return false;
    if (map_find(&patch->source->user_map, key, &index))
        *now = &patch->source->users[index];
    return true;
}

/* Is the old record kept? A line with an error does not tell what the new one should be. */
static bool keeps(const struct patch *patch, const struct walk *record)
{
    const struct source_user *now;

    if ((record->kind != WALK_USER && record->kind != WALK_CREDENTIAL) ||
        !is_to_change(patch, record->name, &now))
        return true;
    if (now == NULL)
        return false;
    if (record->kind == WALK_USER)
        return now->wrong;
    return now->credentials_wrong && !now->credentials.locked && !now->disabled;
}

static int copy_value(struct writer *out, const char *kind, struct slice name, struct slice value)
{
    fwrite(value.at, 1, value.len, out->value);
    return writer_put(out, kind, name);
}

/* The record as it was; for a user whose line has an error, only the lock may change. */
static int copy(struct writer *out, const struct patch *patch, const struct walk *record)
{
    const struct source_user *now;
    struct slice rest = record->value;

    if (record->kind != WALK_USER || !is_to_change(patch, record->name, &now))
        return copy_value(out, walk_kind(record->kind), record->name, rest);
    while (rest.len > 0) {
        struct slice line = slice_cut(&rest, '\n');
        if (!slice_is(line, WRITER_LOCKED))
            fprintf(out->value, "%.*s\n", SLICE(line));
    }
    if (now->credentials.locked)
        fputs(WRITER_LOCKED "\n", out->value);
    return writer_put(out, "user", record->name);
}

static bool names_deleted_user(const struct patch *patch, struct slice names)
{
    const struct source_user *now;

    while (names.len > 0) {
        struct slice name = slice_cut(&names, '\n');
        if (is_to_change(patch, name, &now) && now == NULL)
            return true;
    }
    return false;
}

static bool has_line(struct slice lines, struct slice line)
{
    while (lines.len > 0) {
        struct slice one = slice_cut(&lines, '\n');
        if (slice_equal(one, line))
            return true;
    }
    return false;
}

/* The folder of the user's mailbox outside mail-root. */
static bool find_folder(const struct source_user *user, struct slice *folder)
{
    *folder = folders_parent(user->mailbox);
    return *user->mailbox.at == '/';
}

/* An old list of folders or sockets, and after it those of new mailboxes. mailslot-build makes a
 * new list. */
static int patch_list(struct writer *out, struct patch *patch, const struct slice *keys,
                      size_t keys_len, const char *kind,
                      bool (*find)(const struct source_user *, struct slice *))
{
    const struct source_user *now;
    struct slice old = {0}, line;
    int found = database_find(&patch->base, kind, (struct slice){0}, &old);

    if (found < 0)
        return -1;
    if (found == 1)
        fwrite(old.at, 1, old.len, out->value);
    for (size_t i = 0; i < keys_len; i++) {
        if (!is_to_change(patch, keys[i], &now) || now == NULL || now->wrong || !find(now, &line))
            continue;
        if (!has_line(old, line))
            fprintf(out->value, "%.*s\n", SLICE(line));
        found = 1;
    }
    return found == 1 ? writer_put(out, kind, (struct slice){0}) : 0;
}

static int patch_single_records(struct writer *out, struct patch *patch, const struct slice *keys,
                                size_t keys_len)
{
    static const char *const kinds[] = {"settings", "auth", "texts"};
    struct slice value;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int found = database_find(&patch->base, kinds[i], (struct slice){0}, &value);
        if (found < 0 || (found == 1 && copy_value(out, kinds[i], (struct slice){0}, value) != 0))
            return -1;
    }
    return patch_list(out, patch, keys, keys_len, "folders", find_folder) == 0
               ? patch_list(out, patch, keys, keys_len, "sockets", source_in_store)
               : -1;
}

static enum compile_patched patch_records(struct writer *out, struct patch *patch)
{
    struct walk record;
    int more;

    walk_begin(&record, &patch->base);
    while ((more = walk_next(&record)) == 1) {
        if (record.kind == WALK_ALIAS && names_deleted_user(patch, record.value))
            return COMPILE_NAMED;
        if (keeps(patch, &record) && copy(out, patch, &record) != 0)
            return COMPILE_FAILED;
    }
    return more < 0 ? COMPILE_NO_BASE : COMPILE_PATCHED;
}

static int patch_users(struct writer *out, struct patch *patch, const struct slice *keys,
                       size_t keys_len)
{
    const struct source_user *now;
    struct slice value;

    for (size_t i = 0; i < keys_len; i++) {
        if (!is_to_change(patch, keys[i], &now) || now == NULL)
            continue;
        int aliased = database_find(&patch->base, "alias", now->key, &value);
        if (aliased < 0 || (!now->wrong && writer_put_user(out, now, aliased == 1) != 0))
            return -1;
        bool known = !now->wrong || database_find(&patch->base, "user", now->key, &value) == 1;
        if (known && writer_put_credential(out, now) != 0)
            return -1;
    }
    return 0;
}

static enum compile_patched patch_all(struct writer *out, struct patch *patch,
                                      const struct slice *keys, size_t keys_len,
                                      struct replace *replace)
{
    enum compile_patched result = COMPILE_FAILED;

    if (patch_single_records(out, patch, keys, keys_len) == 0)
        result = patch_records(out, patch);
    if (result == COMPILE_PATCHED && patch_users(out, patch, keys, keys_len) != 0)
        result = COMPILE_FAILED;
    int done = writer_finish(out, replace, result == COMPILE_PATCHED ? 0 : -1);
    return result == COMPILE_PATCHED && done != 0 ? COMPILE_FAILED : result;
}

enum compile_patched compile_patch(const struct source *source, const char *path,
                                   const struct slice *keys, size_t keys_len,
                                   struct replace *replace)
{
    struct patch patch = {.source = source};
    struct writer out;
    enum compile_patched result = COMPILE_NO_BASE;

    for (size_t i = 0, index = 0; i < keys_len; i++)
        map_add(&patch.keys, keys[i], &index);
    if (database_open(&patch.base, path) == DATABASE_OPEN) {
        result = COMPILE_FAILED;
        if (writer_begin(&out, path, replace) == 0)
            result = patch_all(&out, &patch, keys, keys_len, replace);
    }
    database_close(&patch.base);
    map_free(&patch.keys);
    return result;
}
