/*
 * done: files that say who has a message: made, found, and no longer counted after a week.
 */
#include "../../smtpd/back/done.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY = 24 * 3600 };

static char root[] = "/tmp/mailslot-done-XXXXXX";
static struct spool spool;
static struct address sender;
static bool nameless;

static void set_text(const char *text)
{
    spool_begin(&spool, root);
    assert_int_equal(spool_write(&spool, text, strlen(text)), 0);
    assert_int_equal(spool_finish(&spool), 0);
}

static bool has(const char *place)
{
    struct done done;

    done_init(&done, &sender, nameless);
    bool found = done_is_used(&done, root) && done_has(&done, &spool, slice_of(place));
    done_close(&done);
    return found;
}

static void add(const char *place)
{
    struct done done;

    done_init(&done, &sender, nameless);
    assert_int_equal(done_add(&done, root, &spool, slice_of(place)), 0);
    assert_int_equal(done_sync(&done), 0);
    done_close(&done);
}

static void make_older(const char *path, time_t seconds)
{
    const struct timespec then[2] = {{.tv_sec = time(NULL) - seconds},
                                     {.tv_sec = time(NULL) - seconds}};

    assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
}

/* Calls it for each file; returns how many there are. */
static size_t each_file(void (*what)(const char *path))
{
    char folder[64], path[512];
    const struct dirent *file;
    size_t count = 0;

    snprintf(folder, sizeof folder, "%s/.done", root);
    DIR *files = opendir(folder);
    if (files == NULL)
        return 0;
    while ((file = readdir(files)) != NULL) {
        if (*file->d_name == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, file->d_name);
        count++;
        if (what != NULL)
            what(path);
    }
    closedir(files);
    return count;
}

static void make_eight_days_old(const char *path)
{
    make_older(path, 8 * DAY);
}

static void make_six_days_old(const char *path)
{
    make_older(path, 6 * DAY);
}

static void check_name(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    struct stat st;

    assert_int_equal(strlen(name), 64);
    assert_int_equal(strspn(name, "0123456789abcdef"), 64);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
}

static void remove_it(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    assert_non_null(mkdtemp(root));
    assert_int_equal(address_parse(slice_of("s@client.example"), &sender), ADDRESS_OK);
    set_text("Subject: x\n\nbody\n");
    return 0;
}

static int tear_down(void **state)
{
    char folder[64];

    (void)state;
    each_file(remove_it);
    snprintf(folder, sizeof folder, "%s/.done", root);
    rmdir(folder);
    unlink(folder);
    return rmdir(root);
}

static void what_was_added_is_found(void **state)
{
    (void)state;
    assert_false(has("mailbox example.org/alice"));
    add("mailbox example.org/alice");
    add("relay /run/relay bob@example.com");
    assert_true(has("mailbox example.org/alice"));
    assert_true(has("relay /run/relay bob@example.com"));
    assert_int_equal(each_file(check_name), 2);
}

/* Another place, text or sender is another message. */
static void nothing_else_is_found(void **state)
{
    (void)state;
    add("mailbox example.org/alice");
    assert_false(has("mailbox example.org/alic"));
    assert_false(has("mailbox example.org/alice "));
    set_text("Subject: x\n\nbody\n\n");
    assert_false(has("mailbox example.org/alice"));
    set_text("Subject: x\n\nbody\n");
    assert_true(has("mailbox example.org/alice"));
    assert_int_equal(address_parse(slice_of("S@client.example"), &sender), ADDRESS_OK);
    assert_false(has("mailbox example.org/alice"));
    sender = (struct address){.local_len = 0};
    assert_false(has("mailbox example.org/alice"));
}

static void after_a_week_it_counts_no_longer(void **state)
{
    char folder[64];

    (void)state;
    add("a");
    each_file(make_six_days_old);
    assert_true(has("a"));
    each_file(make_eight_days_old);
    assert_false(has("a"));
    add("b"); /* removes it */
    assert_int_equal(each_file(NULL), 1);
    assert_true(has("b"));

    /* A folder that has not changed for a week is not even opened. */
    snprintf(folder, sizeof folder, "%s/.done", root);
    make_older(folder, 8 * DAY);
    assert_false(has("b"));
    add("a");
    assert_true(has("b"));
}

static void make_two_hours_old(const char *path)
{
    make_older(path, 2 * 3600);
}

/* The same text, which programs send every day, is another message then. */
static void after_an_hour_one_without_a_name_counts_no_longer(void **state)
{
    (void)state;
    nameless = true;
    add("a");
    assert_true(has("a"));
    each_file(make_two_hours_old);
    assert_false(has("a"));
    nameless = false;
    assert_true(has("a"));
}

static void an_old_one_is_made_new(void **state)
{
    (void)state;
    add("a");
    each_file(make_eight_days_old);
    add("a");
    assert_true(has("a"));
    assert_int_equal(each_file(NULL), 1);
}

/* Somebody else's folder would have messages vanish. */
static void an_unsafe_folder_is_not_used(void **state)
{
    char folder[64], elsewhere[64];
    struct done done;

    (void)state;
    snprintf(folder, sizeof folder, "%s/.done", root);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", root);
    add("a");
    for (const mode_t *mode = (const mode_t[]){0720, 0702, 0}; *mode != 0; mode++) {
        assert_int_equal(chmod(folder, *mode), 0);
        assert_false(has("a"));
        done_init(&done, &sender, nameless);
        assert_int_equal(done_add(&done, root, &spool, slice_of("b")), -1);
        done_close(&done);
    }
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(rename(folder, elsewhere), 0);
    assert_int_equal(symlink("elsewhere", folder), 0);
    assert_false(has("a"));
    done_init(&done, &sender, nameless);
    assert_int_equal(done_add(&done, root, &spool, slice_of("b")), -1);
    done_close(&done);
    assert_int_equal(unlink(folder), 0);
    assert_int_equal(rename(elsewhere, folder), 0);
    assert_true(has("a"));
}

static void a_missing_mail_root_is_made(void **state)
{
    (void)state;
    assert_int_equal(rmdir(root), 0);
    assert_false(has("a"));
    add("a");
    assert_true(has("a"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_added_is_found),
        TEST(nothing_else_is_found),
        TEST(after_a_week_it_counts_no_longer),
        TEST(after_an_hour_one_without_a_name_counts_no_longer),
        TEST(an_old_one_is_made_new),
        TEST(an_unsafe_folder_is_not_used),
        TEST(a_missing_mail_root_is_made),
    };

    return cmocka_run_group_tests_name("done", tests, NULL, NULL);
}
