/*
 * relay_limit: exact for each user, for any name and any number of processes; an hour passes; the
 * file does not grow, and what is wrong with it lets nobody send without limit.
 */
#include "../../smtpd/back/relay_limit.h"
#include "../../smtpd/base/address.h"
#include "../../smtpd/database/seal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { LIMIT = 5, BUCKETS = 4096, ENTRIES = 64, LARGEST = BUCKETS * ENTRIES * 16 };

static struct settings settings;
static char folder[32];
static time_t ahead;

/* Replaces the C library's function, so that an hour takes no time. */
time_t time(time_t *now)
{
    struct timespec real;

    syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
    if (now != NULL)
        *now = real.tv_sec + ahead;
    return real.tv_sec + ahead;
}

static const char *path(void)
{
    static char text[64];

    snprintf(text, sizeof text, "%s/.relayed", folder);
    return text;
}

static int set_up(void **state)
{
    (void)state;
    ahead = 0;
    strcpy(folder, "/tmp/mailslot-XXXXXX");
    settings_default(&settings);
    settings.relay_limit = LIMIT;
    settings.lock_timeout = 1;
    if (mkdtemp(folder) == NULL)
        return -1;
    strcpy(settings.mail_root, folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path());
    return rmdir(folder);
}

static enum verdict take(const char *user, uint64_t recipients)
{
    return relay_limit_take(&settings, slice_of(user), recipients);
}

static void assert_left(const char *user, int due)
{
    int left = 0;

    while (take(user, 1) == VERDICT_OK)
        left++;
    assert_int_equal(left, due);
}

static void exact_for_each_user(void **state)
{
    (void)state;
    assert_left("alice@example.org", LIMIT);
    assert_left("bob@example.org", LIMIT);
    assert_int_equal(take("carol@example.org", LIMIT + 1), VERDICT_RELAY_LIMIT);
    assert_int_equal(take("carol@example.org", LIMIT - 1), VERDICT_OK);
    assert_int_equal(take("carol@example.org", 2), VERDICT_RELAY_LIMIT); /* counts none of them */
    assert_left("carol@example.org", 1);
    assert_int_equal(take("dave@example.org", UINT64_MAX), VERDICT_RELAY_LIMIT);
    assert_left("dave@example.org", LIMIT);
}

static void any_name(void **state)
{
    char name[ADDRESS_KEY_MAX];
    const char *const odd[] = {
        "../../etc/passwd@x", "\"a b\"@x", "\xc3\xbc@x", "-@x", ".@x", "a\\@x"};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_left(odd[i], LIMIT);
    memset(name, 'x', sizeof name);
    for (int i = 0; i <= LIMIT; i++)
        assert_int_equal(relay_limit_take(&settings, (struct slice){name, sizeof name}, 1),
                         i < LIMIT ? VERDICT_OK : VERDICT_RELAY_LIMIT);
}

static void an_hour_passes(void **state)
{
    (void)state;
    assert_int_equal(take("alice@example.org", 1), VERDICT_OK);
    ahead = 3000;
    assert_left("alice@example.org", LIMIT - 1);
    ahead = 3590;
    assert_left("alice@example.org", 0);
    ahead = 3610; /* since the first one */
    assert_left("alice@example.org", LIMIT);
    ahead = 0; /* the clock is set back: that hour lies in the future */
    assert_left("alice@example.org", LIMIT);
}

/* Writes the n-th name whose count is in the same bucket as that of the first. */
static void write_neighbour(char name[32], int n)
{
    static unsigned number;
    static uint64_t bucket;

    for (;; number++) {
        snprintf(name, 32, "u%u@example.org", number);
        uint64_t its = seal_hash(name, strlen(name)) % BUCKETS;
        if (n == 0)
            bucket = its;
        if (its == bucket)
            break;
    }
    number++;
}

static void a_full_bucket(void **state)
{
    char first[32], name[32];

    (void)state;
    write_neighbour(first, 0);
    assert_left(first, LIMIT);
    for (int i = 1; i < ENTRIES + 10; i++) {
        write_neighbour(name, i);
        assert_int_equal(take(name, 1), VERDICT_OK);
    }
    assert_left(first, 0); /* who has sent most is forgotten last */
}

static void the_file_does_not_grow(void **state)
{
    struct stat st;
    char name[32];

    (void)state;
    settings.relay_limit = 1000000;
    for (int hour = 0; hour < 3; hour++, ahead += 3600) {
        for (int i = 0; i < 20000; i++) {
            snprintf(name, sizeof name, "user%d@example.org", i);
            assert_int_equal(take(name, 1), VERDICT_OK);
        }
        assert_int_equal(stat(path(), &st), 0);
        assert_true(st.st_size <= LARGEST);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void many_processes(void **state)
{
    enum { PROCESSES = 8 };
    int granted = 0, status;

    (void)state;
    settings.relay_limit = 100;
    settings.lock_timeout = 60;
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        int own = 0;
        for (int j = 0; j < 50; j++)
            own += take("alice@example.org", 1) == VERDICT_OK;
        _exit(own);
    }
    while (wait(&status) > 0)
        granted += WEXITSTATUS(status);
    assert_int_equal(granted, 100);
}

/* A session that holds the lock and does not go on. */
static void a_lock_that_is_kept(void **state)
{
    static const char user[] = "alice@example.org";
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = (off_t)(seal_hash(user, strlen(user)) % BUCKETS),
                         .l_len = 1};

    (void)state;
    assert_int_equal(take(user, 1), VERDICT_OK);
    int fd = open(path(), O_RDWR | O_CLOEXEC);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    assert_int_equal(take(user, 1), VERDICT_FAILED);
    close(fd);
    assert_int_equal(take(user, 1), VERDICT_OK);
}

static void what_is_in_the_way(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/null", path()), 0);
    assert_left("alice@example.org", LIMIT); /* it was replaced */
    assert_int_equal(chmod(path(), 0666), 0);
    assert_left("alice@example.org", LIMIT); /* so was this */
    assert_int_equal(unlink(path()), 0);
    assert_int_equal(mkdir(path(), 0700), 0);
    assert_int_equal(take("alice@example.org", 1), VERDICT_FAILED);
    assert_int_equal(rmdir(path()), 0);
}

static void without_mail_root(void **state)
{
    (void)state;
    assert_int_equal(rmdir(folder), 0);
    assert_left("alice@example.org", LIMIT);
    strcat(settings.mail_root, "/no/such/folder");
    assert_int_equal(take("alice@example.org", 1), VERDICT_FAILED);
}

/* Entries that no session has written, as after a power cut. */
static void garbage(void **state)
{
    static const unsigned char fills[] = {0xff, 0x55, 0x01};

    (void)state;
    for (size_t i = 0; i < sizeof fills; i++) {
        static char bytes[LARGEST];
        memset(bytes, fills[i], sizeof bytes);
        int fd = open(path(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, bytes, sizeof bytes), (ssize_t)sizeof bytes);
        close(fd);
        assert_left("alice@example.org", LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exact_for_each_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_hour_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_bucket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_does_not_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_that_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_in_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_mail_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage, set_up, tear_down),
    };

    if (freopen("/dev/null", "w", stderr) == NULL) /* failures log an event */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
