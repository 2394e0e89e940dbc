#include "compile.h"

#include "decoy.h"
#include "folders.h"
#include "sockets.h"
#include "sums.h"
#include "writer.h"

#include <errno.h>
#include <string.h>

static int put_decoy(struct writer *out, const struct decoy *decoy)
{
    fprintf(out->value, "decoy=%s\niterations=%s\nsecret=%s\n", decoy->hash, decoy->iterations,
            decoy->secret);
    if (decoy->scram)
        fputs("scram=yes\n", out->value);
    return writer_put(out, "auth", (struct slice){0});
}

static int put_users(struct writer *out, const struct source *source)
{
    size_t passed = 0, index;

    for (size_t i = 0; i < source->users_len; i++) {
        const struct source_user *user = &source->users[i];
        bool aliased = map_find(&source->alias_map, user->key, &index);
        if (writer_put_user(out, user, aliased) != 0 || writer_put_credential(out, user) != 0)
            return -1;
        source_pass(source, user, &passed);
    }
    return 0;
}

static int put_all(struct writer *out, const struct source *source, const struct decoy *decoy)
{
    settings_write(&source->settings, out->value);
    if (writer_put(out, "settings", (struct slice){0}) != 0 || put_decoy(out, decoy) != 0)
        return -1;
    sums_write(source, out->value);
    if (writer_put(out, "texts", (struct slice){0}) != 0)
        return -1;
    folders_write(source, out->value);
    if (writer_put(out, "folders", (struct slice){0}) != 0)
        return -1;
    if (sockets_write(source, out->value) > 0 && writer_put(out, "sockets", (struct slice){0}) != 0)
        return -1;
    for (size_t i = 0; i < source->domains_len; i++)
        if (writer_put(out, "domain", source->domains[i]) != 0)
            return -1;
    if (put_users(out, source) != 0)
        return -1;
    for (size_t i = 0; i < source->aliases_len; i++) {
        const struct source_alias *alias = &source->aliases[i];
        for (size_t j = 0; j < alias->reached_len; j++)
            fprintf(out->value, "%.*s\n", SLICE(source_reached(source, alias->reached[j])));
        if (writer_put(out, "alias", alias->key) != 0)
            return -1;
    }
    return 0;
}

int compile_database(const struct source *source, const char *path, struct replace *replace)
{
    struct writer out;
    struct decoy decoy;

    if (writer_check_size(source) != 0 || decoy_make(&decoy, source, path) != 0 ||
        writer_begin(&out, path, replace) != 0)
        return -1;
    out.records_total = 5 + source->domains_len + 2 * source->users_len + source->aliases_len;
    int result = put_all(&out, source, &decoy);
    if (result == 0 && !source_is_same(source)) {
        errno = ESTALE;
        result = -1;
    }
    explicit_bzero(&decoy, sizeof decoy);
    return writer_finish(&out, replace, result);
}
