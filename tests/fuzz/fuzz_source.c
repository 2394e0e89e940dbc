/* The three text files, separated by NUL: if they are accepted, the server understands the database
 * made from them, and it contains all users. */
#include "../../smtpd/database/directory.h"
#include "../../tools/source/compile.h"
#include "../../tools/source/source.h"
#include "../../tools/source/source_load.h"
#include "scratch.h"

static const char *const names[] = {"mailslot.conf", "users", "aliases"};

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
    database_close(&db);
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
