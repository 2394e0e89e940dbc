/*
 * The back, were it taken over: what it can still do behind its fence.
 */
#include "../../smtpd/back/fence.h"
#include "../../smtpd/landlock.h"

#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/mailslot-fence-XXXXXX";

static void path_of(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", top, name);
}

/* A database whose one record is `folders`. */
static void make_database(const char *path)
{
    char folder[256];
    struct cdb_make cdb;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    /* The last two: a folder of a user's, who has made a link of it; and what no tool writes. */
    snprintf(folder, sizeof folder, "%s/absolute\n%s/link\n/\n", top, top);
    assert_true(fd >= 0 && cdb_make_start(&cdb, fd) == 0);
    assert_int_equal(cdb_make_add(&cdb, "folders", 7, folder, (unsigned)strlen(folder)), 0);
    assert_int_equal(cdb_make_finish(&cdb), 0);
    assert_int_equal(seal_write(fd), 0);
    close(fd);
}

static int make_file(const char *name)
{
    char path[256];

    path_of(path, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    return fd < 0 ? errno : close(fd);
}

static int read_file(const char *path)
{
    int fd = open(path, O_RDONLY);

    return fd < 0 ? errno : close(fd);
}

static int internet_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int run_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno;
}

static int link_out(void)
{
    char from[256], to[256];

    path_of(from, "mail/box");
    path_of(to, "elsewhere/box");
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0) == 0 ? 0 : errno;
}

/* Each line: what is tried, what comes of it, what should. Says the first that is wrong. */
static int try_all(bool has_landlock)
{
    char inside[256], outside[256];
    int denied = has_landlock ? EACCES : 0;

    path_of(inside, "etc/secret");
    path_of(outside, "elsewhere/secret");
    const struct {
        const char *what;
        int got, due;
    } tries[] = {
        {"a mailbox beneath mail-root", make_file("mail/box"), 0},
        {"a mailbox in a folder of its own", make_file("absolute/box"), 0},
        {"a file elsewhere", make_file("elsewhere/box"), denied},
        {"a file beside the database", make_file("etc/box"), denied},
        {"reading beside the database", read_file(inside), 0},
        {"reading elsewhere", read_file(outside), denied},
        {"a mailbox linked elsewhere", link_out(), denied},
        {"a socket of the internet", internet_socket(), EPERM},
        {"a program", run_program(), EPERM},
        {"another user", setuid(getuid()) == 0 ? 0 : errno, EPERM},
    };

    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        if (tries[i].got == tries[i].due)
            continue;
        fprintf(stderr, "%s: %s, not %s\n", tries[i].what, strerror(tries[i].got),
                strerror(tries[i].due));
        return 1;
    }
    return 0;
}

static void nothing_but_mail(void **state)
{
    static const char *const folders[] = {"mail", "absolute", "elsewhere", "etc"};
    char database[256], folder[256], made[256];
    static struct settings settings;
    struct database db;
    int status;

    (void)state;
#ifdef __SANITIZE_ADDRESS__ /* its run-time needs a wider fence */
    skip();
#endif
    assert_non_null(mkdtemp(top));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        path_of(made, folders[i]);
        assert_int_equal(mkdir(made, 0700), 0);
    }
    path_of(made, "link");
    path_of(folder, "elsewhere");
    assert_int_equal(symlink(folder, made), 0);
    assert_int_equal(make_file("etc/secret"), 0);
    assert_int_equal(make_file("elsewhere/secret"), 0);
    path_of(folder, "etc");
    path_of(database, "etc/mailslot.cdb");
    make_database(database);
    settings_default(&settings);
    path_of(settings.mail_root, "mail");
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (database_open(&db, database) != DATABASE_OPEN ||
            fence_paths(&db, &settings, folder) != 0 || fence_system_calls() != 0)
            _exit(2);
        _exit(try_all(landlock_version() >= 2));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    snprintf(made, sizeof made, "rm -r %s", top);
    assert_int_equal(system(made), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_but_mail)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
