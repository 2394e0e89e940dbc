/*
 * What an attacker who controls the back can still do under its confinement.
 */
#include "../../smtpd/back/hop_connect.h"
#include "../../smtpd/base/clock.h"
#include "../../smtpd/confine/confine_back.h"
#include "../../smtpd/confine/landlock.h"

#include <arpa/inet.h>
#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/mailslot-confine-XXXXXX";

static void path_of(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", top, name);
}

/* A database with the folders of mailboxes, and with or without a server's socket. */
static void make_database(const char *path, bool with_socket)
{
    char folder[256];
    struct cdb_make cdb;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    /* The last two: a user's folder that the user has replaced by a link; a line that no tool
     * writes. */
    snprintf(folder, sizeof folder, "%s/absolute\n%s/link\n/\n", top, top);
    assert_true(fd >= 0 && cdb_make_start(&cdb, fd) == 0);
    assert_int_equal(cdb_make_add(&cdb, "folders", 7, folder, (unsigned)strlen(folder)), 0);
    snprintf(folder, sizeof folder, "%s/sockets/hop\n", top);
    if (with_socket)
        assert_int_equal(cdb_make_add(&cdb, "sockets", 7, folder, (unsigned)strlen(folder)), 0);
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

/* The client's socket, which existed before: every way to connect it again. */
static int internet, port;

static void make_connection(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listening, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listening, 5), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    port = ntohs(address.sin_port);
    internet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(internet, (struct sockaddr *)&address, len), 0);
}

static struct sockaddr_in elsewhere(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* The result of connect(2) on the client's socket with an address of so many bytes. */
static int connect_client(const void *address, size_t len)
{
    return connect(internet, address, (socklen_t)len) == 0 ? 0 : errno;
}

static int disconnect(size_t len)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};

    return connect_client(&none, len);
}

/* Anew, somewhere else, with so many bytes of the address. */
static int reconnect(size_t len)
{
    const struct sockaddr_in there = elsewhere();

    return connect_client(&there, len);
}

static int reconnect_6(size_t len)
{
    const struct sockaddr_in6 there = {.sin6_family = AF_INET6, .sin6_port = htons(9)};

    return connect_client(&there, len);
}

/* The upper half of a register is not part of the length. */
static int reconnect_long(void)
{
    const struct sockaddr_in there = elsewhere();

    return syscall(SYS_connect, internet, &there, 0x100000000 + sizeof there) == 0 ? 0 : errno;
}

static int fast_open(void)
{
    const struct sockaddr_in there = elsewhere();

    return sendto(internet, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (const struct sockaddr *)&there,
                  sizeof there) == 1
               ? 0
               : errno;
}

static int fast_open_message(void)
{
    struct sockaddr_in there = elsewhere();
    struct iovec text = {(char *)"x", 1};
    const struct msghdr message = {
        .msg_name = &there, .msg_namelen = sizeof there, .msg_iov = &text, .msg_iovlen = 1};

    return sendmsg(internet, &message, MSG_FASTOPEN | MSG_NOSIGNAL) == 1 ? 0 : errno;
}

static int set_fast_open(void)
{
    const int on = 1;

    return setsockopt(internet, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) == 0 ? 0 : errno;
}

/* At a UNIX-domain socket with room for two; accepts nobody. */
static void listen_there(const char *name)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX};

    snprintf(there.sun_path, sizeof there.sun_path, "%s/%s", top, name);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&there, sizeof there), 0);
    assert_int_equal(listen(listening, 1), 0);
}

static int connect_local(void)
{
    const struct sockaddr_un there = {.sun_family = AF_UNIX, .sun_path = "/run/nobody"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd < 0 || connect(fd, (const struct sockaddr *)&there, sizeof there) == 0 ? 0 : errno;
}

static int connect_hop(const char *name)
{
    char path[256];

    path_of(path, name);
    return hop_connect(path, clock_ms() + 100) >= 0 ? 0 : errno;
}

/* As libsystemd does. */
static int log_to_journal(void)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX, .sun_path = "/run/nobody"};
    struct iovec text = {(char *)"x", 1};
    const struct msghdr message = {
        .msg_name = &there, .msg_namelen = sizeof there, .msg_iov = &text, .msg_iovlen = 1};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    return fd < 0 || sendmsg(fd, &message, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

static int send_over_the_wall(void)
{
    int wall[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wall) != 0)
        return errno;
    return send(wall[0], "x", 1, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

static int set_no_delay(void)
{
    const int on = 1;

    return setsockopt(internet, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 ? 0 : errno;
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

/* Each line: the attempt, its result, the expected result. Prints the first wrong one. */
static int try_all(int landlock)
{
    char inside[256], outside[256];
    int denied = landlock >= 2 ? EACCES : 0;
    bool has_landlock_9 = landlock >= 9;

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
        {"the client's socket disconnected", disconnect(sizeof(struct sockaddr)), EPERM},
        {"the client's socket connected anew", reconnect(sizeof(struct sockaddr_in)), EPERM},
        {"the same with a short address", reconnect(15), EINVAL},
        {"the same by IPv6", reconnect_6(sizeof(struct sockaddr_in6)), EPERM},
        {"the same with a wide register", reconnect_long(), EPERM},
        {"the client's socket disconnected shortly", disconnect(sizeof(sa_family_t)), 0},
        {"... and connected anew", reconnect(sizeof(struct sockaddr_in)), EPERM},
        {"... with a short address", reconnect(15), EINVAL},
        {"... by IPv6", reconnect_6(sizeof(struct sockaddr_in6)), EPERM},
        {"... by IPv6 with a short address", reconnect_6(15), EINVAL},
        {"a connection by MSG_FASTOPEN", fast_open(), EPERM},
        {"a connection by MSG_FASTOPEN in sendmsg", fast_open_message(), EPERM},
        {"a connection by TCP_FASTOPEN_CONNECT", set_fast_open(), EPERM},
        {"a connection to a local server by a long name", connect_local(), EPERM},
        {"a connection to a server of the database", connect_hop("sockets/hop"), 0},
        {"a second one", connect_hop("sockets/hop"), 0},
        {"one more than it has room for", connect_hop("sockets/hop"), ETIMEDOUT},
        {"one to a socket that is not there", connect_hop("sockets/none"), ENOENT},
        {"one to a file", connect_hop("etc/secret"), ENOTSOCK},
        {"one to a server of others", connect_hop("elsewhere/hop"), has_landlock_9 ? EACCES : 0},
        {"an entry for the journal", log_to_journal(), ENOENT},
        {"a message for the front", send_over_the_wall(), 0},
        {"TCP_NODELAY", set_no_delay(), 0},
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

/* As a session does; the result is for waitpid(2). */
static _Noreturn void confine_and_try(const char *database, const struct settings *settings,
                                      int (*try)(int landlock))
{
    char folder[256];
    struct database db;

    path_of(folder, "etc");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const struct confine_back session = {&db, settings, ROLE_SMTP, folder};
    if (database_open(&db, database) != DATABASE_OPEN || confine_back_paths(&session) != 0 ||
        confine_back_connections(&session) != 0 || confine_back_system_calls() != 0)
        _exit(2);
    _exit(try(landlock_version()));
}

static int try_in_child(const char *database, const struct settings *settings,
                        int (*try)(int landlock))
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        confine_and_try(database, settings, try);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int can_connect(int landlock)
{
    (void)landlock;
    return connect_hop("absolute/hop") == 0 ? 0 : 1;
}

static int cannot_connect(int landlock)
{
    (void)landlock;
    return connect_hop("absolute/hop") == EPERM ? 0 : 1;
}

static int can_connect_to_filter(int landlock)
{
    bool has_landlock_9 = landlock >= 9;

    return connect_hop("absolute/filter") == 0 &&
                   connect_hop("elsewhere/hop") == (has_landlock_9 ? EACCES : 0)
               ? 0
               : 1;
}

/* Filters of this session's role, and of others. */
static void try_filters(const char *database, struct settings *settings)
{
    char filter[256], others[256];

    path_of(filter, "absolute/filter smtp");
    path_of(others, "absolute/filter mx submission");
    settings->milters_len = 1;
    settings->milters[0] = slice_of(others);
    assert_int_equal(try_in_child(database, settings, cannot_connect), 0);
    settings->milters[0] = slice_of(filter);
    assert_int_equal(try_in_child(database, settings, can_connect_to_filter), 0);
    settings->milters_len = 0;
}

/* Where no setting, user or alias names another server; the first filter, relay and store end that.
 */
static void try_without_sockets(struct settings *settings)
{
    char database[256], socket[256];

    path_of(database, "etc/bare.cdb");
    path_of(socket, "absolute/hop");
    make_database(database, false);
    assert_int_equal(try_in_child(database, settings, cannot_connect), 0);
    try_filters(database, settings);
    settings->mailboxes = slice_of(socket);
    assert_int_equal(try_in_child(database, settings, can_connect), 0);
    settings->mailboxes.len = 0;
    settings->relays[settings->relays_len++] = slice_of(socket);
    assert_int_equal(try_in_child(database, settings, can_connect), 0);
}

static void the_back_can_do_nothing_but_deliver(void **state)
{
    static const char *const folders[] = {"mail", "absolute", "elsewhere", "etc", "sockets"};
    char database[256], folder[256], made[256];
    static struct settings settings;

    (void)state;
#ifdef __SANITIZE_ADDRESS__ /* its run-time needs more rights */
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
    make_database(database, true);
    make_connection();
    listen_there("sockets/hop");
    listen_there("elsewhere/hop");
    listen_there("absolute/hop");
    listen_there("absolute/filter");
    settings_default(&settings);
    path_of(settings.mail_root, "mail");
    assert_int_equal(try_in_child(database, &settings, try_all), 0);
    try_without_sockets(&settings);
    snprintf(made, sizeof made, "rm -r %s", top);
    assert_int_equal(system(made), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_back_can_do_nothing_but_deliver)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
