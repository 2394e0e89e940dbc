/* The three text files, separated by NUL: if they are accepted, the server understands the database
 * made from them, and it contains all users. */
#include "../../smtpd/database/directory.h"
#include "../../tools/source/compile.h"
#include "../../tools/source/relay_file.h"
#include "../../tools/source/source.h"
#include "../../tools/source/source_load.h"
#include "scratch.h"

static const char *const names[] = {"mailslot.conf", "users", "aliases"};

/* Each alias reaches what the source says. */
static void check_aliases(struct database *db, const struct source *source)
{
    struct directory_target target;

    for (size_t i = 0; i < source->aliases_len; i++) {
        struct directory_match match = {.address = {0}};
        size_t count = 0;
        MUST(database_find(db, "alias", source->aliases[i].key, &match.targets) == 1);
        while (directory_next_target(db, &match, &target) == 1)
            count++;
        MUST(match.targets.len == 0 && count == source->aliases[i].reached_len);
    }
}

static void check_relay(const struct source *source, const char *path)
{
    struct relay_settings settings;
    struct relay_file file;
    struct database db;

    MUST(relay_file_make(&file, source, path) == 0 && relay_file_commit(&file) == 0);
    MUST((database_open(&db, file.path) == DATABASE_OPEN) == (source->relay.hosts_len > 0));
    MUST(source->relay.hosts_len == 0 || relay_settings_read(&db, &settings) == 0);
    relay_file_close(&file);
    database_close(&db);
}

/* The server asks the same filters in each role. */
static void check_filters(const struct settings *settings, const struct source *source)
{
    struct slice paths[SETTINGS_MILTERS_MAX], others[SETTINGS_MILTERS_MAX];

    for (enum role role = ROLE_SMTP; role < ROLES; role++) {
        size_t len = directory_milters(settings, role, paths);
        MUST(directory_milters(&source->settings, role, others) == len);
        for (size_t i = 0; i < len; i++)
            MUST(slice_equal(paths[i], others[i]));
    }
}

static void compile(const struct source *source)
{
    static struct settings settings;
    struct directory_user user;
    struct replace replace;
    struct database db;
    char path[128];

    snprintf(path, sizeof path, "%s/mailslot.cdb", scratch);
    MUST(compile_database(source, path, &replace) == 0 && replace_commit(&replace) == 0);
    MUST(database_open(&db, path) == DATABASE_OPEN);
    MUST(directory_settings(&db, &settings) == 0);
    for (size_t i = 0; i < source->users_len; i++)
        MUST(directory_user(&db, source->users[i].key, &user) == 1);
    check_aliases(&db, source);
    check_filters(&settings, source);
    database_close(&db);
    check_relay(source, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static FILE *nowhere;
    const char *at = (const char *)bytes, *end = at + len, *file;
    struct source source;

    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "we");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *stop = i == 2 ? NULL : memchr(at, '\0', (size_t)(end - at));
        stop = stop == NULL ? end : stop;
        scratch_put(names[i], at, (size_t)(stop - at));
        at = stop < end ? stop + 1 : end;
    }
    struct report report = {.to = nowhere};
    MUST(source_load(&source, &report, scratch, NULL, &file) == 0);
    report_finish(&report);
    if (report.errors == 0)
        compile(&source);
    source_free(&source);
    return 0;
}
