/*
 * database: damage is never reported as "no such key". Each byte of a small database is changed in
 * turn, and the file is truncated to each length; each of its keys is found with its own value, or
 * the result is -1.
 */
#include "../../smtpd/database/database.h"

#include "../../smtpd/database/directory.h"

#include <cdb.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char long_text[3000];

static const struct {
    const char *kind, *name, *value;
} records[] = {
    {"settings", NULL, "hostname=mx.example.org\ndomains=example.org\n"},
    {"domain", "example.org", ""},
    {"user", "alice@example.org", "address=alice@example.org\nmailbox=example.org/alice\n"},
    {"user", "bob@example.org", "address=bob@example.org\nmailbox=/m/bob\ndisabled=yes\n"},
    {"alias", "team@example.org", "alice@example.org\nbob@example.org\n"},
    {"alias", "off@example.org", "bob@example.org\n"},
    {"alias", "@example.org", "alice@example.org\n"},
    {"folders", NULL, long_text}, /* across blocks */
};

enum { RECORDS = sizeof records / sizeof records[0], IMAGE_MAX = 16384 };

static char folder[] = "/tmp/mailslot-test-XXXXXX";
static char path[64];
static unsigned char image[IMAGE_MAX];
static size_t image_len, cdb_len;

static void write_image(const unsigned char *bytes, size_t len)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static int make(void **state)
{
    struct cdb_make cdb;

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/test.cdb", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(cdb_make_start(&cdb, fd), 0);
    for (size_t i = 0; i < RECORDS; i++) {
        char key[64];
        int len =
            snprintf(key, sizeof key, "%s%s%s", records[i].kind, records[i].name == NULL ? "" : ":",
                     records[i].name == NULL ? "" : records[i].name);
        assert_int_equal(cdb_make_add(&cdb, key, (unsigned)len, records[i].value,
                                      (unsigned)strlen(records[i].value)),
                         0);
    }
    assert_int_equal(cdb_make_finish(&cdb), 0);
    cdb_len = (size_t)lseek(fd, 0, SEEK_END);
    assert_int_equal(seal_write(fd), 0);
    ssize_t len = pread(fd, image, sizeof image, 0);
    assert_in_range(len, SEAL_BLOCK, IMAGE_MAX - 2200);
    image_len = (size_t)len;
    close(fd);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* The number of keys that are found; none may be missing, none may have another's value. */
static size_t find_all(const char *what, size_t at)
{
    struct database db;
    size_t found = 0;

    database_open(&db, path);
    for (size_t i = 0; i < RECORDS; i++) {
        const char *name = records[i].name;
        struct slice value;
        int result = database_find(&db, records[i].kind,
                                   name == NULL ? (struct slice){0} : slice_of(name), &value);
        if (result == 0)
            fail_msg("%s at byte %zu: record %zu is said not to exist", what, at, i);
        if (result == 1 && !slice_is(value, records[i].value))
            fail_msg("%s at byte %zu: record %zu has another value", what, at, i);
        found += result == 1;
    }
    database_close(&db);
    return found;
}

static void a_whole_database_answers(void **state)
{
    static const char too_long[700];
    struct database db;
    struct slice value;

    (void)state;
    write_image(image, image_len);
    assert_int_equal(find_all("nothing", 0), RECORDS);
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    for (int i = 0; i < 2000; i++) {
        char name[32];
        int name_len = snprintf(name, sizeof name, "nobody%d@example.org", i);
        assert_int_equal(database_find(&db, "user", (struct slice){name, (size_t)name_len}, &value),
                         0);
    }
    assert_int_equal(database_find(&db, "user", (struct slice){too_long, sizeof too_long}, &value),
                     -1);
    database_close(&db);
    assert_int_equal(database_find(&db, "settings", (struct slice){0}, &value), -1);
}

static void a_damaged_database_never_says_no(void **state)
{
    static const unsigned char masks[] = {0x01, 0x80, 0xff};
    static unsigned char copy[IMAGE_MAX];
    size_t noticed = 0;

    (void)state;
    for (size_t at = 0; at < image_len; at++)
        for (size_t i = 0; i < sizeof masks; i++) {
            memcpy(copy, image, image_len);
            copy[at] ^= masks[i];
            write_image(copy, image_len);
            noticed += find_all("damaged", at) < RECORDS;
        }
    assert_true(noticed > 0);
}

/* After a crash, a file system may leave blocks of zeros. */
static void a_zeroed_database_never_says_no(void **state)
{
    static unsigned char copy[IMAGE_MAX];

    (void)state;
    for (size_t at = 0; at < image_len; at += 64) {
        memcpy(copy, image, image_len);
        memset(copy + at, 0, image_len - at < 512 ? image_len - at : 512);
        write_image(copy, image_len);
        find_all("zeroed", at);
        memset(copy + at, 0, image_len - at);
        write_image(copy, image_len);
        assert_int_equal(find_all("zeroed to the end", at), 0);
    }
}

static void a_truncated_database_never_says_no(void **state)
{
    (void)state;
    for (size_t len = 0; len < image_len; len++) {
        write_image(image, len);
        assert_int_equal(find_all("cut", len), 0);
    }
}

static void without_its_seal_it_is_damaged(void **state)
{
    struct database db;

    (void)state;
    write_image(image, cdb_len);
    assert_int_equal(database_open(&db, path), DATABASE_DAMAGED);
    database_close(&db);
}

/* The older seal: 256 checksums and this text. */
static void an_older_seal_is_recognised(void **state)
{
    static unsigned char old[IMAGE_MAX];
    struct database db;
    struct slice value;

    (void)state;
    memcpy(old, image, cdb_len);
    memcpy(old + cdb_len + (size_t)256 * 8, "mailslot seal 1\n", 16);
    write_image(old, cdb_len + (size_t)256 * 8 + 16);
    assert_int_equal(database_open(&db, path), DATABASE_OLD);
    assert_int_equal(database_find(&db, "user", (struct slice){"alice@example.org", 17}, &value),
                     -1);
    database_close(&db);
}

static void a_database_that_others_can_write_to_is_unsafe(void **state)
{
    struct database db;

    (void)state;
    for (mode_t mode = 0; mode < 01000; mode++) {
        write_image(image, image_len);
        assert_int_equal(chmod(path, mode | S_IRUSR), 0);
        enum database_state expected = mode & 022 ? DATABASE_UNSAFE : DATABASE_OPEN;
        assert_int_equal(database_open(&db, path), expected);
        database_close(&db);
    }
    if (geteuid() == 0) {
        write_image(image, image_len);
        assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
        assert_int_equal(database_open(&db, path), DATABASE_UNSAFE);
        database_close(&db);
    }
}

static void only_a_regular_file_is_opened(void **state)
{
    struct database db;

    (void)state;
    unlink(path);
    assert_int_equal(database_open(&db, path), DATABASE_MISSING);
    database_close(&db);
    assert_int_equal(database_open(&db, folder), DATABASE_UNSAFE);
    database_close(&db);
    assert_int_equal(database_open(&db, "/dev/null"), DATABASE_UNSAFE);
    database_close(&db);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening must not wait for a writer */
    assert_int_equal(database_open(&db, path), DATABASE_UNSAFE);
    database_close(&db);
}

static const struct {
    const char *address;
    enum verdict verdict;
    int users;
} questions[] = {
    {"alice@example.org", VERDICT_USER, 1},
    {"ALICE@EXAMPLE.ORG", VERDICT_USER, 1},
    {"alice", VERDICT_USER, 1},
    {"alice+detail@example.org", VERDICT_USER, 1},
    {"alice+de+tail@example.org", VERDICT_USER, 1},
    {"bob@example.org", VERDICT_DISABLED, 1},
    {"bob+detail@example.org", VERDICT_DISABLED, 1},
    {"team@example.org", VERDICT_ALIAS, 2},
    {"team+detail@example.org", VERDICT_ALIAS, 2},
    {"off@example.org", VERDICT_DISABLED, 1},
    {"nobody@example.org", VERDICT_CATCH_ALL, 1},
    {"+alice@example.org", VERDICT_CATCH_ALL, 1},
    {"alice@example.net", VERDICT_FOREIGN, 0},
    {"alice@sub.example.org", VERDICT_FOREIGN, 0},
    {"\"alice@example.org\"@example.net", VERDICT_FOREIGN, 0},
    {"alice%example.org@example.net", VERDICT_FOREIGN, 0},
};

static void the_directory_answers(void **state)
{
    struct database db;
    struct settings settings;

    (void)state;
    write_image(image, image_len);
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    assert_int_equal(directory_settings(&db, &settings), 0);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        const char *text = questions[i].address;
        struct directory_match match;
        struct directory_target target;
        struct address address;
        int users = 0, more = 0;
        assert_int_equal(address_parse(slice_of(text), &address), ADDRESS_OK);
        enum verdict verdict = directory_find(&db, &settings, &address, &match);
        if (verdict != questions[i].verdict)
            fail_msg("%s: %d", text, (int)verdict);
        while (questions[i].users > 0 && (more = directory_next_target(&db, &match, &target)) == 1)
            users++;
        assert_int_equal(more, 0);
        assert_int_equal(users, questions[i].users);
    }
    database_close(&db);
}

/* VRFY looks in every domain, and a user who is disabled there is not unknown. */
static void a_disabled_name_is_not_unknown(void **state)
{
    struct database db;
    struct settings settings;
    struct address bob, names[VERDICT_NAMES_MAX];
    uint32_t count;

    (void)state;
    write_image(image, image_len);
    database_open(&db, path);
    directory_settings(&db, &settings);
    assert_int_equal(address_parse(slice_of("bob"), &bob), ADDRESS_OK);
    assert_int_equal(directory_verify(&db, &settings, &bob, names, &count), VERDICT_DISABLED);
    assert_int_equal(count, 0);
    database_close(&db);
}

/* Above all, a broken file must not cause "no such user": the sender would get a bounce. */
static void a_damaged_directory_is_broken(void **state)
{
    static unsigned char copy[IMAGE_MAX];

    (void)state;
    for (size_t at = 0; at < image_len; at++) {
        memcpy(copy, image, image_len);
        copy[at] ^= 0x10;
        write_image(copy, image_len);
        struct database db;
        struct settings settings;
        database_open(&db, path);
        int sound = directory_settings(&db, &settings);
        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
            struct directory_match match;
            struct address address;
            address_parse(slice_of(questions[i].address), &address);
            enum verdict verdict = directory_find(&db, &settings, &address, &match);
            if (verdict != questions[i].verdict && verdict != VERDICT_DATABASE)
                fail_msg("byte %zu, %s: %d", at, questions[i].address, (int)verdict);
            assert_true(sound == 0 || verdict == VERDICT_DATABASE);
        }
        database_close(&db);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_database_answers),
        cmocka_unit_test(a_damaged_database_never_says_no),
        cmocka_unit_test(a_zeroed_database_never_says_no),
        cmocka_unit_test(a_truncated_database_never_says_no),
        cmocka_unit_test(without_its_seal_it_is_damaged),
        cmocka_unit_test(an_older_seal_is_recognised),
        cmocka_unit_test(a_database_that_others_can_write_to_is_unsafe),
        cmocka_unit_test(only_a_regular_file_is_opened),
        cmocka_unit_test(the_directory_answers),
        cmocka_unit_test(a_disabled_name_is_not_unknown),
        cmocka_unit_test(a_damaged_directory_is_broken),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
