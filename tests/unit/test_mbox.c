/*
 * mbox: what is opened and what is refused, modes, locks, quota, separators, and every rollback.
 */
#include "../../smtpd/mailbox/mbox.h"

#include "../../smtpd/mailbox/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define OLD "From a@b Thu Jan  1 00:00:00 1970\n\nold\n\n"
#define NEW "From c@d Thu Jan  1 00:00:00 1970\nX: id\n\nnew\n\n"

enum { NEW_LEN = sizeof NEW - 1 };

static char root[32];

static off_t told; /* how many bytes were reported to be cut off */

static void tell(const void *context, const struct undo_cut *cut)
{
    assert_null(context);
    told = cut->to - cut->from;
}

static struct undo_rules rules = {.longest = 10000, .cutting = tell};

/* Each test has its own root, which is removed with everything in it. */
static int set_up(void **state)
{
    (void)state;
    umask(0); /* so that modes are those that the program sets */
    rules.server = geteuid();
    strcpy(root, "/tmp/mailslot-test-XXXXXX");
    return mkdtemp(root) == NULL || chdir(root) != 0 ? -1 : 0;
}

static int clean(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void assert_text(const char *path, const char *due)
{
    char text[4096];
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(len >= 0);
    text[len] = '\0';
    assert_string_equal(text, due);
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static int64_t in_ms(int64_t ms)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ms;
}

static int open_box(struct mbox *mbox, const char *path)
{
    return mbox_open(mbox, &rules, root, slice_of(path));
}

static void lock_box(struct mbox *mbox, const char *path)
{
    assert_int_equal(open_box(mbox, path), 0);
    assert_int_equal(mbox_lock(mbox, in_ms(5000)), 0);
}

static void append(struct mbox *mbox)
{
    assert_int_equal(mbox_begin(mbox, NEW_LEN, 0, "id"), 0);
    assert_int_equal(mbox_write(mbox, "\n\n", (size_t)mbox->separators), 0);
    assert_int_equal(mbox_write(mbox, NEW, NEW_LEN), 0);
}

static void deliver(const char *path)
{
    struct mbox mbox;

    lock_box(&mbox, path);
    append(&mbox);
    assert_int_equal(mbox_sync(&mbox), 0);
    mbox_commit(&mbox);
    mbox_close(&mbox);
}

static void mailboxes_are_made_with_safe_modes(void **state)
{
    char absolute[64];

    (void)state;
    strcat(root, "/mail");
    deliver("example.org/alice");
    assert_int_equal(mode_of("mail"), 0700);
    assert_int_equal(mode_of("mail/example.org"), 0700);
    assert_int_equal(mode_of("mail/example.org/alice"), 0600);
    assert_text("mail/example.org/alice", NEW);
    assert_false(exists("mail/example.org/alice.lock"));
    assert_false(exists("mail/example.org/alice.undo"));
    deliver("bob");
    assert_int_equal(mode_of("mail/bob"), 0600);
    *strrchr(root, '/') = '\0';
    snprintf(absolute, sizeof absolute, "%s/elsewhere/carol", root);
    mkdir("elsewhere", 0750); /* not in mail-root: somebody else has to create it */
    deliver(absolute);
    assert_int_equal(mode_of("elsewhere"), 0750);
    assert_int_equal(mode_of("elsewhere/carol"), 0600);
    assert_text("elsewhere/carol", NEW);
}

static void modes_of_others_stay(void **state)
{
    (void)state;
    mkdir("d", 0755);
    put("d/box", OLD);
    deliver("d/box");
    assert_int_equal(mode_of("d"), 0755);
    assert_int_equal(mode_of("d/box"), 0640);
    assert_text("d/box", OLD NEW);
}

static void make_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, name);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

/* Only a regular file with a single hard link, reached without a symbolic link, is opened; nothing
 * is created on the way. */
static void anything_but_a_mailbox_is_refused(void **state)
{
    static const struct {
        const char *path;
        int error; /* 0: any */
    } paths[] = {
        {"d/link", MBOX_UNSAFE}, {"d/dangling", MBOX_UNSAFE},  {"d/folder", MBOX_UNSAFE},
        {"d/fifo", MBOX_UNSAFE}, {"d/hard", MBOX_UNSAFE},      {"d/file", MBOX_UNSAFE},
        {"d/socket", 0},         {"link/new", MBOX_UNSAFE},    {"../new", MBOX_UNSAFE},
        {"..", MBOX_UNSAFE},     {".", MBOX_UNSAFE},           {"/dev/null", MBOX_UNSAFE},
        {"d/loop", MBOX_UNSAFE}, {"d/plain/new", MBOX_UNSAFE}, {"", ENAMETOOLONG},
        {"d/", ENAMETOOLONG},    {"d/none/deep/new", 0},       {"/proc/self/fd/0/new", 0},
    };

    (void)state;
    mkdir("d", 0700);
    mkdir("d/folder", 0700);
    put("d/file", OLD);
    put("d/plain", OLD);
    assert_int_equal(link("d/file", "d/hard"), 0);
    assert_int_equal(symlink("plain", "d/link"), 0);
    assert_int_equal(symlink("new", "d/dangling"), 0);
    assert_int_equal(symlink("loop", "d/loop"), 0);
    assert_int_equal(symlink("d", "link"), 0);
    assert_int_equal(mkfifo("d/fifo", 0600), 0);
    make_socket("d/socket");
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct mbox mbox;
        int result = open_box(&mbox, paths[i].path), error = errno;
        mbox_close(&mbox);
        if (result != -1 || (paths[i].error != 0 && error != paths[i].error))
            fail_msg("%s: %s", paths[i].path, result == 0 ? "opened" : strerror(error));
    }
    assert_text("d/file", OLD);
    assert_text("d/plain", OLD);
    assert_false(exists("new") || exists("d/new") || exists("../new") || exists("d/none"));
}

static void names_leave_room_for_locks(void **state)
{
    char name[NAME_MAX + 2] = "";
    struct mbox mbox;

    (void)state;
    memset(name, 'x', NAME_MAX - 4);
    assert_int_equal(open_box(&mbox, name), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_false(exists(name));
    name[NAME_MAX - 5] = '\0';
    deliver(name);
    assert_text(name, NEW);
}

static void only_missing_separators_are_written(void **state)
{
    static const struct {
        const char *text;
        int separators;
    } boxes[] = {
        {"", 0},    {"a", 2},     {"ab", 2},      {"\n", 0}, {"\n\n", 0},  {"a\n", 1},
        {"\na", 2}, {"a\n\n", 0}, {"a\n\n\n", 0}, {OLD, 0},  {"a\r\n", 1}, {"a\n\r\n", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
        static const char *const newlines[] = {"", "\n", "\n\n"};
        char due[256];
        put("box", boxes[i].text);
        deliver("box");
        snprintf(due, sizeof due, "%s%s" NEW, boxes[i].text, newlines[boxes[i].separators]);
        assert_text("box", due);
    }
}

static void quotas_are_exact(void **state)
{
    static const char *const texts[] = {"", OLD, "no newline"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t end = strlen(texts[i]) + NEW_LEN + (i == 2 ? 2 : 0);
        for (uint64_t quota = end - 3; quota <= end + 1; quota++) {
            struct mbox mbox;
            put("box", texts[i]);
            lock_box(&mbox, "box");
            int result = mbox_begin(&mbox, NEW_LEN, quota, "id");
            assert_int_equal(result, quota >= end ? 0 : -1);
            if (result != 0)
                assert_int_equal(errno, MBOX_OVER_QUOTA);
            assert_int_equal(exists("box.undo"), result == 0);
            assert_int_equal(mbox_rollback(&mbox), 0);
            mbox_close(&mbox);
            assert_text("box", texts[i]);
            assert_false(exists("box.undo") || exists("box.lock"));
        }
    }
}

static void only_the_end_can_be_written(void **state)
{
    struct mbox mbox;

    (void)state;
    put("box", OLD);
    lock_box(&mbox, "box");
    assert_true(fcntl(mbox.fd, F_GETFL) & O_APPEND);
    assert_true(fcntl(mbox.fd, F_GETFD) & FD_CLOEXEC);
    mbox_close(&mbox);
}

static void rollback_restores_everything(void **state)
{
    struct mbox mbox;

    (void)state;
    put("box", "old without newline");
    lock_box(&mbox, "box");
    append(&mbox);
    assert_true(exists("box.undo"));
    assert_int_equal(mbox_rollback(&mbox), 0);
    mbox_close(&mbox);
    assert_text("box", "old without newline");
    assert_false(exists("box.undo") || exists("box.lock"));

    lock_box(&mbox, "fresh");
    append(&mbox);
    assert_int_equal(mbox_rollback(&mbox), 0);
    mbox_close(&mbox);
    assert_false(exists("fresh") || exists("fresh.undo") || exists("fresh.lock"));
}

/* A program that ignores locks appends before, between and after our writes. */
static void rollback_cuts_nothing_that_others_have_appended(void **state)
{
    (void)state;
    for (int when = 0; when < 3; when++) {
        struct mbox mbox;
        char due[256];
        put("box", OLD);
        lock_box(&mbox, "box");
        assert_int_equal(mbox_begin(&mbox, 2 * NEW_LEN, 0, "id"), 0);
        int other = open("box", O_WRONLY | O_APPEND);
        for (int i = 0; i < 3; i++) {
            if (i == when)
                assert_int_equal(write(other, "foreign", 7), 7);
            if (i < 2)
                assert_int_equal(mbox_write(&mbox, NEW, NEW_LEN), 0);
        }
        close(other);
        assert_int_equal(mbox_rollback(&mbox), -1);
        assert_int_equal(errno, MBOX_CHANGED);
        mbox_close(&mbox);
        snprintf(due, sizeof due, OLD "%s" NEW "%s" NEW "%s", when == 0 ? "foreign" : "",
                 when == 1 ? "foreign" : "", when == 2 ? "foreign" : "");
        assert_text("box", due);
        assert_false(exists("box.undo") || exists("box.lock"));
    }
}

/* We have created the mailbox, but another delivery locked it first: its mail must stay. */
static void rollback_keeps_what_others_have_delivered(void **state)
{
    struct mbox mbox;

    (void)state;
    assert_int_equal(open_box(&mbox, "fresh"), 0);
    deliver("fresh");
    assert_int_equal(mbox_lock(&mbox, in_ms(5000)), 0);
    append(&mbox);
    assert_int_equal(mbox_rollback(&mbox), 0);
    mbox_close(&mbox);
    assert_true(exists("fresh"));
    assert_text("fresh", NEW);
}

static void a_message_of_a_killed_delivery_is_cut_off(void **state)
{
    int status;

    (void)state;
    put("box", "old without newline");
    pid_t pid = fork();
    if (pid == 0) {
        struct mbox mbox;
        lock_box(&mbox, "box");
        append(&mbox);
        assert_int_equal(ftruncate(mbox.fd, 50), 0); /* as far as it came */
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(exists("box.lock") && exists("box.undo"));
    struct mbox mbox;
    told = 0;
    lock_box(&mbox, "box");
    assert_int_equal(told, 50 - strlen("old without newline"));
    mbox_close(&mbox);
    assert_text("box", "old without newline");
    assert_false(exists("box.undo") || exists("box.lock"));
}

static void waiting_for_a_lock_ends_in_time(void **state)
{
    struct mbox first, second;

    (void)state;
    lock_box(&first, "box");
    assert_int_equal(open_box(&second, "box"), 0);
    int64_t began = in_ms(0);
    assert_int_equal(mbox_lock(&second, in_ms(150)), -1);
    assert_int_equal(errno, MBOX_LOCKED);
    assert_in_range(in_ms(0) - began, 100, 5000);
    mbox_close(&second);
    assert_true(exists("box.lock")); /* the first one's */
    mbox_close(&first);
    assert_false(exists("box.lock"));
}

static void others_lock_files_are_respected(void **state)
{
    struct mbox mbox;
    char text[16];

    (void)state;
    snprintf(text, sizeof text, "%d\n", (int)getppid());
    put("box.lock", text);
    assert_int_equal(open_box(&mbox, "box"), 0);
    assert_int_equal(mbox_lock(&mbox, in_ms(100)), -1);
    assert_int_equal(errno, MBOX_LOCKED);
    /* the owner of the lock file can take the other lock meanwhile */
    int fd = open("box", O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    close(fd);
    mbox_close(&mbox);
    assert_text("box.lock", text);
}

/* Another process does this between our open and our lock, or has the lock first. */
static void replaced_files_are_opened_again(void **state)
{
    (void)state;
    for (int held = 0; held <= 1; held++) {
        struct mbox mbox;
        int ready[2], status;
        char byte;
        put("box", OLD);
        put("new", "");
        assert_int_equal(pipe(ready), 0);
        assert_int_equal(open_box(&mbox, "box"), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
            int fd = open("box", O_RDWR);
            if (held && fcntl(fd, F_SETLK, &lock) != 0)
                _exit(1);
            if (held && write(ready[1], "x", 1) == 1)
                usleep(100000);
            _exit(rename("new", "box") == 0 && write(ready[1], "x", 1) == 1 ? 0 : 2);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(mbox_lock(&mbox, in_ms(5000)), 0);
        append(&mbox);
        mbox_commit(&mbox);
        mbox_close(&mbox);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(ready[0]);
        close(ready[1]);
        assert_text("box", NEW);
        assert_false(exists("box.lock") || exists("box.undo"));
    }
}

static void files_replaced_by_links_are_refused(void **state)
{
    struct mbox mbox;

    (void)state;
    put("box", OLD);
    put("victim", "victim");
    assert_int_equal(open_box(&mbox, "box"), 0);
    assert_int_equal(unlink("box"), 0);
    assert_int_equal(symlink("victim", "box"), 0);
    assert_int_equal(mbox_lock(&mbox, in_ms(1000)), -1);
    assert_int_equal(errno, MBOX_UNSAFE);
    mbox_close(&mbox);
    assert_text("victim", "victim");
    assert_false(exists("box.lock"));
}

static int pauses; /* in the code under test */

int usleep(useconds_t us)
{
    const struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};

    pauses++;
    return nanosleep(&time, NULL);
}

/* A user puts one file after another in the mailbox's place, and has a lease on each. As others'
 * mailboxes may be locked meanwhile, we do not wait for him then. */
static void leases_on_new_files_delay_nobody(void **state)
{
    struct mbox mbox;

    (void)state;
    put("box", OLD);
    put("new", OLD NEW);
    assert_int_equal(open_box(&mbox, "box"), 0);
    int lease = open("new", O_RDONLY);
    signal(SIGIO, SIG_IGN);
    if (lease < 0 || fcntl(lease, F_SETLEASE, F_RDLCK) != 0)
        skip();
    assert_int_equal(rename("new", "box"), 0);
    for (int i = 0; i < 2; i++) {
        pauses = 0;
        assert_int_equal(mbox_lock(&mbox, 0), -1);
        assert_int_equal(errno, MBOX_LOCKED);
        assert_int_equal(pauses, 0);
    }
    close(lease);
    assert_int_equal(mbox_lock(&mbox, in_ms(1000)), 0);
    mbox_close(&mbox);
    assert_text("box", OLD NEW);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mailboxes_are_made_with_safe_modes),
        TEST(modes_of_others_stay),
        TEST(anything_but_a_mailbox_is_refused),
        TEST(names_leave_room_for_locks),
        TEST(only_missing_separators_are_written),
        TEST(quotas_are_exact),
        TEST(only_the_end_can_be_written),
        TEST(rollback_restores_everything),
        TEST(rollback_cuts_nothing_that_others_have_appended),
        TEST(rollback_keeps_what_others_have_delivered),
        TEST(a_message_of_a_killed_delivery_is_cut_off),
        TEST(waiting_for_a_lock_ends_in_time),
        TEST(others_lock_files_are_respected),
        TEST(replaced_files_are_opened_again),
        TEST(files_replaced_by_links_are_refused),
        TEST(leases_on_new_files_delay_nobody),
    };

    return cmocka_run_group_tests_name("mbox", tests, NULL, NULL);
}
