#include "compile.h"

#include "../smtpd/back/database.h"
#include "decoy.h"
#include "folders.h"

#include <cdb.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    KEY_ROOM = ADDRESS_KEY_MAX + sizeof "credential:",
    SEAL_ROOM = 4096,     /* more than the seal has */
    RECORD_COST = 8 + 16, /* two lengths, and two slots of a hash table */
};

/* The database as it grows. The value of a record is put together in a stream that is reused. */
struct output {
    struct cdb_make cdb;
    FILE *value;
    char *bytes;
    size_t bytes_len;
    uint64_t size; /* of the finished file */
    size_t records, records_total;
    time_t start;
    bool shown;
};

/* A line on the terminal, but only if there is time to read it. */
static void show_progress(struct output *out)
{
    if (++out->records % 4096 != 0 || time(NULL) - out->start < 2 || !isatty(STDERR_FILENO))
        return;
    out->shown = true;
    fprintf(stderr, "\r%s: %zu of %zu records", program_invocation_short_name, out->records,
            out->records_total);
}

/* Adds KIND:NAME with what was written to out->value. */
static int put(struct output *out, const char *kind, struct slice name)
{
    char key[KEY_ROOM];
    size_t len = strlen(kind);

    memcpy(key, kind, len);
    if (name.at != NULL) {
        key[len++] = ':';
        memcpy(key + len, name.at, name.len);
        len += name.len;
    }
    if (fflush(out->value) != 0)
        return -1;
    size_t value_len = (size_t)ftello(out->value);
    rewind(out->value);
    out->size += RECORD_COST + len + value_len;
    if (out->size > UINT32_MAX) {
        errno = EFBIG;
        return -1;
    }
    show_progress(out);
    return cdb_make_add(&out->cdb, key, (unsigned)len, out->bytes, (unsigned)value_len);
}

static int put_user(struct output *out, const struct source_user *user)
{
    fprintf(out->value, "address=%.*s\nmailbox=%.*s\n", SLICE(user->key), SLICE(user->mailbox));
    if (user->quota > 0)
        fprintf(out->value, "quota=%" PRIu64 "\n", user->quota);
    if (user->disabled)
        fputs("disabled=yes\n", out->value);
    for (struct slice rest = user->send_as; rest.len > 0;) {
        struct slice line = slice_cut(&rest, '\n');
        fprintf(out->value, "send-as=%.*s\n", SLICE(line));
    }
    if (put(out, "user", user->key) != 0)
        return -1;
    if (!source_has_login(user))
        return 0;
    if (user->hash.text.len > 0)
        fprintf(out->value, "crypt=%.*s\n", SLICE(user->hash.text));
    for (size_t i = 0; i < user->hash.verifiers_len; i++)
        fprintf(out->value, "scram-sha-256=%.*s\n", SLICE(user->hash.verifiers[i]));
    return put(out, "credential", user->key);
}

static int put_decoy(struct output *out, const struct decoy *decoy)
{
    fprintf(out->value, "decoy=%s\niterations=%s\nsecret=%s\n", decoy->hash, decoy->iterations,
            decoy->secret);
    if (decoy->scram)
        fputs("scram=yes\n", out->value);
    return put(out, "auth", (struct slice){0});
}

static int put_all(struct output *out, const struct source *source, const struct decoy *decoy)
{
    settings_write(&source->settings, out->value);
    if (put(out, "settings", (struct slice){0}) != 0 || put_decoy(out, decoy) != 0)
        return -1;
    source_write_sums(source, out->value);
    if (put(out, "texts", (struct slice){0}) != 0)
        return -1;
    folders_write(source, out->value);
    if (put(out, "folders", (struct slice){0}) != 0)
        return -1;
    for (size_t i = 0; i < source->domains_len; i++)
        if (put(out, "domain", source->domains[i]) != 0)
            return -1;
    for (size_t i = 0; i < source->users_len; i++)
        if (put_user(out, &source->users[i]) != 0)
            return -1;
    for (size_t i = 0; i < source->aliases_len; i++) {
        const struct source_alias *alias = &source->aliases[i];
        for (size_t j = 0; j < alias->users_len; j++)
            fprintf(out->value, "%.*s\n", SLICE(source->users[alias->users[j]].key));
        if (put(out, "alias", alias->key) != 0)
            return -1;
    }
    return 0;
}

int compile_database(const struct source *source, const char *path, struct replace *replace)
{
    struct output out = {.size = 2048 + SEAL_ROOM, .start = time(NULL)};
    struct decoy decoy;

    if (decoy_make(&decoy, source, path) != 0 || replace_begin(replace, path, false) != 0)
        return -1;
    out.records_total = 4 + source->domains_len + 2 * source->users_len + source->aliases_len;
    out.value = open_memstream(&out.bytes, &out.bytes_len);
    if (out.value == NULL || cdb_make_start(&out.cdb, replace->fd) != 0) {
        replace_abandon(replace);
        return -1;
    }
    int result = put_all(&out, source, &decoy), error = errno;
    if (cdb_make_finish(&out.cdb) != 0 && result == 0) { /* called in any case: it frees */
        result = -1;
        error = errno;
    }
    fclose(out.value);
    if (out.bytes != NULL)
        explicit_bzero(out.bytes, out.bytes_len);
    free(out.bytes);
    explicit_bzero(&decoy, sizeof decoy);
    errno = error;
    if (result == 0)
        result = database_seal(replace->fd);
    if (out.shown)
        fputs("\r\033[K", stderr);
    if (result == 0)
        return replace_finish(replace);
    replace_abandon(replace);
    return -1;
}
