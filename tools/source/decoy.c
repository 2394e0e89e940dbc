#include "decoy.h"

#include "../../smtpd/database/database.h"
#include "../../smtpd/database/record.h"
#include "../kit/memory.h"
#include "hash.h"

#include <cdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* How often each text was seen. */
struct tally {
    struct map map; /* from the text to its item */
    struct tally_item {
        struct slice text;
        size_t count;
    } * items;
    size_t len, room, last;
};

static void tally_add(struct tally *tally, struct slice text)
{
    size_t index = tally->last;

    if (index < tally->len && slice_equal(tally->items[index].text, text)) {
        tally->items[index].count++;
        return;
    }
    index = tally->len;
    if (map_add(&tally->map, text, &index)) {
        tally->items =
            memory_grow(tally->items, tally->len, &tally->room, sizeof(struct tally_item));
        tally->items[tally->len++] = (struct tally_item){.text = text};
    }
    tally->items[index].count++;
    tally->last = index;
}

/* The text seen most often; among several, the one used before, so that nothing changes without
 * need, or else the first. If none was seen, the default. */
static struct slice tally_most(const struct tally *tally, struct slice before,
                               struct slice by_default)
{
    const struct tally_item *most = NULL;
    size_t index;

    for (size_t i = 0; i < tally->len; i++)
        if (most == NULL || tally->items[i].count > most->count)
            most = &tally->items[i];
    if (most == NULL)
        return by_default;
    if (before.at != NULL && map_find(&tally->map, before, &index) &&
        tally->items[index].count == most->count)
        return before;
    return most->text;
}

static void tally_free(struct tally *tally)
{
    map_free(&tally->map);
    free(tally->items);
}

/* Keeps a value of the old record if it has the form that is written today. */
static void keep(struct decoy *decoy, struct slice name, struct slice value)
{
    char field[CRYPT_OUTPUT_SIZE + sizeof "{CRYPT}"], secret[DECOY_SECRET_LEN];
    struct credentials credentials;
    uint64_t number;

    if (slice_is(name, "decoy") && value.len < sizeof decoy->hash) {
        int len = snprintf(field, sizeof field, "{CRYPT}%.*s", SLICE(value));
        if (credentials_parse((struct slice){field, (size_t)len}, &credentials) == NULL)
            snprintf(decoy->hash, sizeof decoy->hash, "%.*s", SLICE(value));
    } else if (slice_is(name, "secret") && value.len < sizeof decoy->secret &&
               base64_decode(value, secret, sizeof secret) == DECOY_SECRET_LEN) {
        snprintf(decoy->secret, sizeof decoy->secret, "%.*s", SLICE(value));
    } else if (slice_is(name, "iterations") && value.len < sizeof decoy->iterations &&
               slice_number(value, &number)) {
        snprintf(decoy->iterations, sizeof decoy->iterations, "%.*s", SLICE(value));
    }
}

static void keep_all(struct decoy *decoy, struct slice text)
{
    struct slice name, value;

    while (record_line(&text, &name, &value) == 1)
        keep(decoy, name, value);
}

/* The seal of an older version is not checked, because keep() takes only values of the right form.
 */
static void keep_old(struct decoy *decoy, int fd)
{
    struct cdb cdb;

    if (cdb_init(&cdb, fd) != 0)
        return;
    if (cdb_find(&cdb, "auth", strlen("auth")) > 0 && cdb_getdata(&cdb) != NULL)
        keep_all(decoy, (struct slice){cdb_getdata(&cdb), cdb_datalen(&cdb)});
    cdb_free(&cdb);
}

static void keep_from(struct decoy *decoy, const char *path)
{
    struct slice text;
    struct database db;
    enum database_state state = database_open(&db, path);

    if (state == DATABASE_OPEN && database_find(&db, "auth", (struct slice){0}, &text) == 1)
        keep_all(decoy, text);
    else if (state == DATABASE_OLD)
        keep_old(decoy, db.fd);
    database_close(&db);
}

static int set_hash(struct decoy *decoy, struct slice setting)
{
    if (*decoy->hash != '\0' && slice_equal(hash_setting(slice_of(decoy->hash)), setting))
        return 0;
    return credentials_make_decoy(setting, decoy->hash);
}

static int set_secret(struct decoy *decoy)
{
    char secret[DECOY_SECRET_LEN];

    if (*decoy->secret != '\0')
        return 0;
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return -1;
    base64_encode(secret, sizeof secret, decoy->secret);
    explicit_bzero(secret, sizeof secret);
    return 0;
}

int decoy_make(struct decoy *decoy, const struct source *source, const char *path)
{
    const struct slice usual = slice_of(CREDENTIALS_SETTING);
    struct tally settings = {0}, iterations = {0};
    struct slice before = {0};
    size_t passed = 0;

    *decoy = (struct decoy){.scram = false};
    keep_from(decoy, path);
    for (size_t i = 0; i < source->users_len; i++) {
        const struct source_user *user = &source->users[i];
        if (!source_has_login(user))
            continue;
        if (user->credentials.hash.len > 0)
            tally_add(&settings, hash_setting(user->credentials.hash));
        if (user->credentials.verifiers_len > 0)
            tally_add(&iterations, slice_until(user->credentials.verifiers[0], ','));
        source_pass(source, user, &passed);
    }
    decoy->scram = iterations.len > 0;
    struct slice most =
        tally_most(&iterations, slice_of(decoy->iterations), slice_of(CREDENTIALS_ITERATIONS));
    char written[sizeof decoy->iterations];
    snprintf(written, sizeof written, "%.*s", SLICE(most));
    memcpy(decoy->iterations, written, sizeof written);

    if (*decoy->hash != '\0')
        before = hash_setting(slice_of(decoy->hash));
    most = tally_most(&settings, before, usual);
    /* If crypt(3) does not accept this cost, those users cannot log in; the build goes on. */
    int result = set_hash(decoy, most);
    if (result != 0)
        result = set_hash(decoy, usual);
    tally_free(&settings);
    tally_free(&iterations);
    return result == 0 ? set_secret(decoy) : -1;
}
