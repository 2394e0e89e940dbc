/* folders: the server may write to as few folders as possible, and never to `/`. */
#include "../../tools/source/folders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 2000 };

static struct source source;
static struct source_user users[MANY];
static char paths[MANY][64];
static char *written, *said;

static void begin(const char *mail_root)
{
    source = (struct source){.users = users, .users_text = {.name = (char *)(uintptr_t) "users"}};
    snprintf(source.settings.mail_root, sizeof source.settings.mail_root, "%s", mail_root);
}

static void add(const char *format, unsigned number)
{
    char *path = paths[source.users_len];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(path, sizeof paths[0], format, number);
#pragma GCC diagnostic pop
    users[source.users_len] = (struct source_user){.mailbox = {path, strlen(path)},
                                                   .line = (unsigned)source.users_len + 1};
    source.users_len++;
}

static void add_many(const char *format, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        add(format, i);
}

/* The number of errors. */
static unsigned finish(void)
{
    size_t len;
    struct report report = {.to = open_memstream(&said, &len)};

    folders_check(&source, &report);
    fclose(report.to);
    FILE *to = open_memstream(&written, &len);
    folders_write(&source, to);
    fclose(to);
    return report.errors;
}

static void forget(void)
{
    free(written);
    free(said);
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *c = written; *c != '\0'; c++)
        count += *c == '\n';
    return count;
}

static bool has(const char *folder)
{
    char line[80], text[4096];

    snprintf(line, sizeof line, "\n%s\n", folder);
    snprintf(text, sizeof text, "\n%s", written);
    return strstr(text, line) != NULL;
}

static void few_are_written_as_they_are(void **state)
{
    (void)state;
    begin("/var/lib/mailslot");
    add("/var/mail/bob", 0);
    add("/var/mail/alice", 0);
    add("/srv/mail/inner/carol", 0);
    add("/srv/mail/dave", 0);            /* contains the folder before */
    add("/srv/mail-2/erin", 0);          /* does not */
    add("/var/lib/mailslot/x.org/y", 0); /* in mail-root */
    add("/var/lib/mailslot/y", 0);       /* the same */
    add("/var/lib/mailslot-2/x", 0);
    add("example.org/zed", 0);
    assert_int_equal(finish(), 0);
    assert_string_equal(written, "/srv/mail\n/srv/mail-2\n/var/lib/mailslot-2\n/var/mail\n");
    forget();
}

static void a_parent_is_written_only_if_it_replaces_many(void **state)
{
    (void)state;
    begin("/var/lib/mailslot");
    add_many("/srv/mail/u%u/box", 65);
    add("/var/mail/bob", 0);
    assert_int_equal(finish(), 0);
    assert_string_equal(written, "/srv/mail\n/var/mail\n");
    forget();

    begin("/var/lib/mailslot");
    add_many("/srv/big/u%u/box", 50);
    add_many("/srv/small/u%u/box", 40);
    add("/var/mail/bob", 0);
    assert_int_equal(finish(), 0);
    assert_int_equal(lines(), 42);
    assert_true(has("/srv/big") && has("/srv/small/u39") && has("/var/mail"));
    forget();

    begin("/var/lib/mailslot"); /* the deepest first; a parent of one folder saves nothing */
    add_many("/srv/a/b/c/d/u%u/Mail/box", 40);
    add_many("/srv/x/u%u/box", 30);
    assert_int_equal(finish(), 0);
    assert_int_equal(lines(), 31);
    assert_true(has("/srv/a/b/c/d") && has("/srv/x/u29"));
    forget();
}

static void never_the_whole_system(void **state)
{
    static const struct {
        const char *format;
        unsigned count;
    } rows[] = {
        {"/home/u%u/Mail/box", 65}, {"/home/u%u/box", 65},  {"/u%u/box", 65},
        {"/u%u/a/box", 65},         {"/u%u/a/b/box", 1000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin("/var/lib/mailslot");
        add_many(rows[i].format, rows[i].count);
        add("/var/mail/bob", 0);
        assert_int_equal(finish(), 1);
        assert_false(has("/") || has("/home") || has("/var"));
        assert_non_null(strstr(said, "users:"));
        assert_non_null(strstr(said, "mail-root"));
        forget();
    }
    begin("/home"); /* the administrator has named it */
    add_many("/home/u%u/Mail/box", 65);
    add("/var/mail/bob", 0);
    assert_int_equal(finish(), 0);
    assert_string_equal(written, "/var/mail\n");
    forget();
}

/* Every mailbox is below a written folder, and no folder is written without need. */
static void all_mailboxes_are_covered(void **state)
{
    (void)state;
    srandom(1);
    for (int round = 0; round < 200; round++) {
        begin("/var/lib/mailslot");
        for (unsigned count = 1 + (unsigned)random() % 300; count > 0; count--) {
            char format[64] = "/srv";
            for (long depth = 1 + random() % 4; depth > 0; depth--)
                snprintf(format + strlen(format), 16, "/%c", (char)('a' + random() % 9));
            strcat(format, "/%u");
            add(format, count);
        }
        assert_int_equal(finish(), 0);
        assert_in_range(lines(), 1, FOLDERS_MAX);
        for (size_t i = 0; i < source.users_len; i++) {
            bool reached = false;
            for (const char *at = written, *end; *at != '\0'; at = end + 1) {
                end = strchr(at, '\n');
                size_t len = (size_t)(end - at);
                reached |= strncmp(at, paths[i], len) == 0 && paths[i][len] == '/';
                assert_true(len > strlen("/srv"));
            }
            assert_true(reached);
        }
        forget();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_are_written_as_they_are),
        cmocka_unit_test(a_parent_is_written_only_if_it_replaces_many),
        cmocka_unit_test(never_the_whole_system),
        cmocka_unit_test(all_mailboxes_are_covered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
