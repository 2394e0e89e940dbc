/*
 * dotlock: which lock files are live, which are stale, and what is not a lock file.
 */
#include "../../smtpd/mailbox/dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder_name[] = "/tmp/mailslot-test-XXXXXX";
static int folder;
static char dead_pid[16];

static int set_up(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid < 0 || waitpid(pid, NULL, 0) != pid || mkdtemp(folder_name) == NULL)
        return -1;
    snprintf(dead_pid, sizeof dead_pid, "%d\n", (int)pid);
    folder = open(folder_name, O_RDONLY | O_DIRECTORY);
    return folder < 0 ? -1 : 0;
}

static int clean(void **state)
{
    (void)state;
    close(folder);
    return rmdir(folder_name); /* fails if a test has left a file */
}

static bool exists(const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The text of box.lock, which must be a plain file. */
static const char *lock_text(void)
{
    static char text[64];
    int fd = openat(folder, "box.lock", O_RDONLY | O_NOFOLLOW);

    assert_true(fd >= 0);
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

/* Makes another program's lock, so many seconds old. */
static void make_lock(const char *text, time_t age)
{
    int fd = openat(folder, "box.lock", O_WRONLY | O_CREAT | O_EXCL, 0644);
    const struct timespec then = {.tv_sec = time(NULL) - age};

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(futimens(fd, (const struct timespec[]){then, then}), 0);
    close(fd);
}

/* Like mbox_lock(): a stale lock is broken first. */
static int take(const char *name)
{
    struct stat st;

    if (dotlock_take(folder, name) == 0)
        return 0;
    if (errno != EEXIST)
        return -1;
    int stale = dotlock_is_stale(folder, name, &st);
    if (stale == 0)
        errno = EEXIST;
    return stale == 1 && dotlock_break(folder, name, &st) == 0 ? dotlock_take(folder, name) : -1;
}

static void taken_and_dropped(void **state)
{
    char ours[16];
    struct stat st;

    (void)state;
    snprintf(ours, sizeof ours, "%d\n", (int)getpid());
    umask(022);
    assert_int_equal(take("box"), 0);
    assert_string_equal(lock_text(), ours);
    assert_int_equal(fstatat(folder, "box.lock", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0644);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(take("box"), -1);
    assert_int_equal(errno, EEXIST);
    assert_string_equal(lock_text(), ours);
    assert_int_equal(take("other"), 0);
    assert_int_equal(dotlock_drop(folder, "other"), 0);
    assert_int_equal(dotlock_drop(folder, "box"), 0);
    assert_false(exists("box.lock"));
    assert_int_equal(dotlock_drop(folder, "box"), -1);
    assert_int_equal(errno, ENOENT);
}

static time_t uptime(void)
{
    struct timespec up;

    clock_gettime(CLOCK_BOOTTIME, &up);
    return up.tv_sec;
}

static void stale_locks_are_broken_and_live_ones_not(void **state)
{
    enum { FRESH = 0, YOUNG = 290, OLD = 310 };
    char live_pid[16], our_pid[16], live_host[64], dead_host[64], padded[64];
    const struct {
        const char *what, *text;
        time_t age;
        bool stale;
    } locks[] = {
        {"live process", live_pid, FRESH, false},
        {"live process of another user", "1\n", FRESH, false},
        {"live process, no newline", "1", FRESH, false},
        {"live process, old", live_pid, OLD, false},
        {"live process, from the future", live_pid, -1000, false},
        {"live process, the clock stepped two hours", live_pid, uptime() + 7200, false},
        {"live process, padded as UUCP has it", padded, uptime() + 7200, false},
        {"another host's, which has a live number here", live_host, YOUNG, false},
        {"another host's, old", live_host, OLD, true},
        {"another host's, whose number nobody has here", dead_host, YOUNG, false},
        {"another host's, old, nobody has its number", dead_host, OLD, true},
        {"another host's, after a blank", "31337 imap.example.net\n", YOUNG, false},
        {"another host's, after a blank, old", "31337 imap.example.net\n", OLD, true},
        {"dead process", dead_pid, FRESH, true},
        {"dead process, from the future", dead_pid, -1000, true},
        {"our number, but not our lock", our_pid, YOUNG, false},
        {"our number, but not our lock, old", our_pid, OLD, true},
        {"empty", "", FRESH, false},
        {"empty, young", "", YOUNG, false},
        {"empty, old", "", OLD, true},
        {"empty, from the future", "", -1000, false},
        {"no number", "procmail", YOUNG, false},
        {"no number, old", "procmail", OLD, true},
        {"zero", "0\n", YOUNG, false},
        {"zero, old", "0\n", OLD, true},
        {"negative", "-1\n", YOUNG, false},
        {"negative, old", "-1\n", OLD, true},
    };

    (void)state;
    snprintf(live_pid, sizeof live_pid, "%d\n", (int)getppid());
    snprintf(our_pid, sizeof our_pid, "%d\n", (int)getpid());
    snprintf(padded, sizeof padded, "%10d\n", (int)getppid());
    snprintf(live_host, sizeof live_host, "%d:imap.example.net", (int)getppid());
    snprintf(dead_host, sizeof dead_host, "%d:imap.example.net", atoi(dead_pid));
    for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++) {
        bool before_boot = locks[i].age == YOUNG && uptime() < YOUNG + 10;
        make_lock(locks[i].text, locks[i].age);
        int result = take("box");
        if ((result == 0) != (locks[i].stale || before_boot) || (result != 0 && errno != EEXIST))
            fail_msg("%s: %s", locks[i].what, result == 0 ? "broken" : strerror(errno));
        if (result == 0)
            assert_int_equal(atoi(lock_text()), getpid());
        else
            assert_string_equal(lock_text(), locks[i].text);
        assert_int_equal(dotlock_drop(folder, "box"), 0);
    }
}

/* After a power cut, the process id may be that of another user's process, which cannot have made
 * our lock. */
static void a_process_id_that_another_user_has_now_is_stale(void **state)
{
    int status;

    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can change users */
    assert_int_equal(fchmod(folder, 0777), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setresuid(4242, 4242, 4242) != 0)
            _exit(1);
        for (int old = 0; old <= 1; old++) {
            make_lock("1\n", old ? uptime() + 60 : 0);
            if ((take("box") == 0) != old || dotlock_drop(folder, "box") != 0)
                _exit(2 + old);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(fchmod(folder, 0700), 0);
}

/* Anything but a regular file is not followed, read or removed. */
static void anything_but_a_regular_file_is_left_alone(void **state)
{
    (void)state;
    int fd = openat(folder, "victim", O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, dead_pid, strlen(dead_pid)), strlen(dead_pid));
    close(fd);
    for (int kind = 0; kind < 4; kind++) {
        assert_int_equal(kind == 0   ? symlinkat("victim", folder, "box.lock")
                         : kind == 1 ? symlinkat("nowhere", folder, "box.lock")
                         : kind == 2 ? mkdirat(folder, "box.lock", 0700)
                                     : mkfifoat(folder, "box.lock", 0600),
                         0);
        assert_int_equal(take("box"), -1);
        assert_int_equal(errno, EEXIST);
        assert_true(exists("box.lock"));
        assert_true(exists("victim"));
        assert_false(exists("nowhere"));
        assert_int_equal(unlinkat(folder, "box.lock", kind == 2 ? AT_REMOVEDIR : 0), 0);
    }
    assert_int_equal(unlinkat(folder, "victim", 0), 0);
}

static void the_longest_name_can_be_locked(void **state)
{
    char name[NAME_MAX + 1] = "", lock[2 * NAME_MAX];

    (void)state;
    memset(name, 'x', NAME_MAX - 5);
    snprintf(lock, sizeof lock, "%s.lock", name);
    assert_int_equal(take(name), 0);
    assert_true(exists(lock));
    assert_int_equal(dotlock_drop(folder, name), 0);
}

static void errors_are_reported(void **state)
{
    char gone[] = "/tmp/mailslot-test-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(gone));
    int fd = open(gone, O_RDONLY | O_DIRECTORY);
    assert_int_equal(rmdir(gone), 0);
    assert_int_equal(dotlock_take(fd, "box"), -1);
    assert_int_not_equal(errno, EEXIST);
    close(fd);
    assert_int_equal(dotlock_take(-1, "box"), -1);
    assert_int_equal(errno, EBADF);
}

/* Many processes at once: each gets the lock once, never two at a time. */
static void it_is_exclusive(void **state)
{
    enum { PROCESSES = 8, ROUNDS = 50 };
    int status;

    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        for (int round = 0; round < ROUNDS; round++) {
            while (take("box") != 0)
                if (errno != EEXIST)
                    _exit(1);
            if (mkdirat(folder, "held", 0700) != 0 || unlinkat(folder, "held", AT_REMOVEDIR) != 0)
                _exit(2);
            if (dotlock_drop(folder, "box") != 0)
                _exit(3);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_and_dropped),
        cmocka_unit_test(stale_locks_are_broken_and_live_ones_not),
        cmocka_unit_test(a_process_id_that_another_user_has_now_is_stale),
        cmocka_unit_test(anything_but_a_regular_file_is_left_alone),
        cmocka_unit_test(the_longest_name_can_be_locked),
        cmocka_unit_test(errors_are_reported),
        cmocka_unit_test(it_is_exclusive),
    };

    return cmocka_run_group_tests_name("dotlock", tests, set_up, clean);
}
