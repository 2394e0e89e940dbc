/*
 * database: the cost of a look-up, counted in reads, does not grow with the number of users;
 * changes to the file while it is open do not change any answer.
 */
#include "../../smtpd/database/database.h"
#include "../../smtpd/database/directory.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cdb.h>
#include <cmocka.h>

enum {
    SMALL = 10,
    MEDIUM = 10 * 1000,
    LARGE = 200 * 1000,
    /* A slot of a hash table and a record, each of which may continue in the next block, and the
     * header; each block with its checksum. */
    READS_MAX = 2 * (2 + 2 + 1),
    BYTES_MAX = (2 + 2 + 1) * (SEAL_BLOCK + SEAL_SUM),
};

static char folder[] = "/tmp/mailslot-test-XXXXXX";
static char path[64], other[64];
static size_t reads, bytes_read;

/* What database.c calls. */
ssize_t pread(int fd, void *to, size_t len, off_t at)
{
    ssize_t got = syscall(SYS_pread64, fd, to, len, at);

    reads++;
    bytes_read += got > 0 ? (size_t)got : 0;
    return got;
}

static int name_user(char key[64], int i)
{
    return snprintf(key, 64, "user:u%d@example.org", i);
}

static int write_value(char value[128], int i, const char *mark)
{
    return snprintf(value, 128, "address=u%d@example.org\nmailbox=%s/u%d\n", i, mark, i);
}

static void make(const char *to, int users, const char *mark)
{
    struct cdb_make cdb;
    char key[64], value[128];

    unlink(to);
    int fd = open(to, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(cdb_make_start(&cdb, fd), 0);
    for (int i = 0; i < users; i++) {
        unsigned key_len = (unsigned)name_user(key, i);
        unsigned value_len = (unsigned)write_value(value, i, mark);
        assert_int_equal(cdb_make_add(&cdb, key, key_len, value, value_len), 0);
    }
    assert_int_equal(cdb_make_finish(&cdb), 0);
    assert_int_equal(seal_write(fd), 0);
    close(fd);
}

/* database_find() for a user; asserts that 1 comes with the user's own value. */
static int find(struct database *db, int i, const char *mark)
{
    char key[64], value[128];
    struct slice found;
    size_t len = (size_t)name_user(key, i);

    write_value(value, i, mark);
    int result = database_find(db, "user", (struct slice){key + 5, len - 5}, &found);
    assert_true(result != 1 || slice_is(found, value));
    return result;
}

/* The maximum cost of many look-ups, each in a database that was just opened. */
static void measure(int users)
{
    for (int i = 0; i < 200; i++) {
        struct database db;
        bool known = i % 2 == 0;
        assert_int_equal(database_open(&db, path), DATABASE_OPEN);
        reads = bytes_read = 0;
        assert_int_equal(find(&db, known ? (int)((long)i * users / 200) : users + i, "m"), known);
        if (reads > READS_MAX || bytes_read > BYTES_MAX)
            fail_msg("%d users: %zu reads, %zu bytes", users, reads, bytes_read);
        database_close(&db);
    }
}

static void a_look_up_costs_the_same_at_any_size(void **state)
{
    static const int sizes[] = {SMALL, MEDIUM, LARGE};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        make(path, sizes[i], "m");
        measure(sizes[i]);
    }
}

static void opening_costs_the_same_at_any_size(void **state)
{
    struct database db;

    (void)state;
    make(path, LARGE, "m");
    reads = bytes_read = 0;
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    assert_in_range(reads, 1, 2);
    assert_in_range(bytes_read, 1, 64);
    database_close(&db);
}

/* For a user in the first domain, neither the domain nor an alias is looked up. */
static void a_recipient_takes_one_look_up(void **state)
{
    struct address address = {
        .local_len = 3, .domain_len = 11, .local = "u70", .domain = "example.org"};
    struct settings settings;
    struct directory_match match;
    struct database db;

    (void)state;
    make(path, LARGE, "m");
    settings_default(&settings);
    assert_null(settings_set(&settings, slice_of("domains"), slice_of("example.org")));
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    reads = 0;
    assert_int_equal(directory_find(&db, &settings, &address, &match), VERDICT_USER);
    assert_in_range(reads, 1, 8);
    database_close(&db);
}

/* A disk or a crash may leave blocks of zeros, or of another file. */
static void holes_never_say_no(void **state)
{
    static const unsigned char zeros[SEAL_BLOCK];
    unsigned char before[SEAL_BLOCK];
    struct stat st;
    size_t noticed = 0;

    (void)state;
    make(path, MEDIUM, "m");
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    srand48(1);
    for (int round = 0; round < 300; round++) {
        struct database db;
        off_t at = (off_t)(drand48() * (double)st.st_size);
        ssize_t len = pread(fd, before, sizeof before, at);
        assert_int_equal(pwrite(fd, zeros, (size_t)len, at), len);
        database_open(&db, path);
        for (int i = 0; i < 50 && db.state == DATABASE_OPEN; i++)
            assert_int_not_equal(find(&db, (int)(drand48() * MEDIUM), "m"), 0);
        noticed += db.state != DATABASE_OPEN;
        database_close(&db);
        assert_int_equal(pwrite(fd, before, (size_t)len, at), len);
    }
    assert_true(noticed > 30);
    close(fd);
}

/* A block from the same place in another database, together with its checksum. */
static void blocks_of_another_database_do_not_fit(void **state)
{
    unsigned char block[SEAL_BLOCK], sum[SEAL_SUM];
    struct database db;
    struct slice value;
    struct stat st;
    struct seal seal;

    (void)state;
    make(path, 100, "m");
    make(other, 100, "n");
    int to = open(path, O_RDWR), from = open(other, O_RDWR);
    assert_int_equal(fstat(from, &st), 0);
    assert_int_equal(seal_read(from, (uint64_t)st.st_size, &seal), SEAL_GOOD);
    off_t sum_at = (off_t)seal_sum_at(&seal, 1);
    assert_int_equal(pread(from, block, sizeof block, SEAL_BLOCK), sizeof block);
    assert_int_equal(pread(from, sum, sizeof sum, sum_at), sizeof sum);
    assert_int_equal(pwrite(to, block, sizeof block, SEAL_BLOCK), sizeof block);
    assert_int_equal(pwrite(to, sum, sizeof sum, sum_at), sizeof sum);
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    int wrong = 0;
    for (int i = 0; i < 100 && wrong == 0; i++) {
        char key[64];
        size_t len = (size_t)name_user(key, i);
        wrong = database_find(&db, "user", (struct slice){key + 5, len - 5}, &value) == 1 ? 0 : 1;
        assert_true(wrong || memmem(value.at, value.len, "mailbox=m/", 10) != NULL);
    }
    assert_true(wrong);
    assert_int_equal(db.state, DATABASE_DAMAGED);
    database_close(&db);
    close(to);
    close(from);
}

static void cut_short(void)
{
    assert_int_equal(truncate(path, 3000), 0);
}

static void empty(void)
{
    assert_int_equal(truncate(path, 0), 0);
}

/* cp larger.cdb mailslot.cdb */
static void exchange(void)
{
    char command[200];

    make(other, MEDIUM + 500, "n");
    snprintf(command, sizeof command, "cat %s >%s", other, path);
    assert_int_equal(system(command), 0);
}

static void changes_in_place_never_change_an_answer(void **state)
{
    static void (*const spoil[])(void) = {cut_short, empty, exchange};

    (void)state;
    for (size_t i = 0; i < sizeof spoil / sizeof spoil[0]; i++) {
        struct database db;
        make(path, MEDIUM, "m");
        assert_int_equal(database_open(&db, path), DATABASE_OPEN);
        assert_int_equal(find(&db, 1, "m"), 1);
        spoil[i]();
        for (int user = 0; user < MEDIUM; user += 7)
            assert_int_not_equal(find(&db, user, "m"), 0);
        assert_int_equal(find(&db, MEDIUM + 1, "m"), -1);
        assert_int_equal(db.state, DATABASE_CHANGED);
        database_close(&db);
    }
}

static void a_value_stays_until_it_is_released(void **state)
{
    struct database db;
    struct slice first, next;

    (void)state;
    make(path, MEDIUM, "m");
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    assert_int_equal(database_find(&db, "user", (struct slice){"u0@example.org", 14}, &first), 1);
    size_t mark = database_mark(&db);
    for (int i = 0; i < MEDIUM; i++)
        assert_int_equal(find(&db, i, "m"), 1);
    assert_true(slice_is(first, "address=u0@example.org\nmailbox=m/u0\n"));
    database_rewind(&db, mark);
    assert_int_equal(database_find(&db, "user", (struct slice){"u1@example.org", 14}, &next), 1);
    assert_ptr_equal(next.at, first.at + first.len + 1);
    database_close(&db);
}

static void all_records_come_in_order_and_all_is_checked(void **state)
{
    struct database db;
    struct slice key, value;
    struct stat st;
    uint64_t at = 0;
    int count = 0, more;

    (void)state;
    make(path, MEDIUM, "m");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    while ((more = database_next(&db, &at, &key, &value)) == 1)
        count++;
    assert_int_equal(more, 0);
    assert_int_equal(count, MEDIUM);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)db.seal.size - 5), 1); /* in the last table */
    close(fd);
    database_close(&db);
    assert_int_equal(database_open(&db, path), DATABASE_OPEN);
    for (at = 0; (more = database_next(&db, &at, &key, &value)) == 1;)
        ;
    assert_int_equal(more, -1);
    database_close(&db);
}

/* Puts all hash tables in one place, and seals the database. */
static void make_tables(uint32_t at, uint32_t slots, uint32_t record)
{
    static uint32_t content[20000]; /* little-endian machines */
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    for (size_t i = 0; i < 512; i += 2) {
        content[i] = at;
        content[i + 1] = slots;
    }
    for (size_t i = 512; i < sizeof content / sizeof content[0]; i += 2) {
        content[i] = 1;
        content[i + 1] = record;
    }
    assert_int_equal(write(fd, content, sizeof content), sizeof content);
    assert_int_equal(seal_write(fd), 0);
    close(fd);
}

/* The seal is correct, but a table has no free slot to end a search. */
static void tables_without_an_end_never_say_no(void **state)
{
    static const struct {
        uint32_t at, slots, record;
    } tables[] = {
        {2048, 100, 2048},
        {2048, 9744, 2048},
        {2048, UINT32_MAX, 2048},
        {UINT32_MAX, 1, 1},
        {79992, 2, 1},
        {0, 10000, 1},
        {2048, 100, UINT32_MAX},
        {UINT32_MAX, UINT32_MAX, UINT32_MAX},
        {2048, 0x20000000, 2048},
    };

    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct database db;
        make_tables(tables[i].at, tables[i].slots, tables[i].record);
        assert_int_equal(database_open(&db, path), DATABASE_OPEN);
        assert_int_equal(find(&db, 1, "m"), -1);
        assert_int_equal(db.state, DATABASE_DAMAGED);
        database_close(&db);
    }
}

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/test.cdb", folder);
    snprintf(other, sizeof other, "%s/other.cdb", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_up_costs_the_same_at_any_size),
        cmocka_unit_test(a_recipient_takes_one_look_up),
        cmocka_unit_test(opening_costs_the_same_at_any_size),
        cmocka_unit_test(holes_never_say_no),
        cmocka_unit_test(blocks_of_another_database_do_not_fit),
        cmocka_unit_test(changes_in_place_never_change_an_answer),
        cmocka_unit_test(a_value_stays_until_it_is_released),
        cmocka_unit_test(all_records_come_in_order_and_all_is_checked),
        cmocka_unit_test(tables_without_an_end_never_say_no),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
