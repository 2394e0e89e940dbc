#include "relay_listen.h"

#include "../base/connections.h"
#include "../base/file.h"
#include "../base/signals.h"
#include "../base/systemd.h"
#include "relay_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

enum {
    BACKLOG = 128,
    RETRY_MS = 100, /* after accept() or fork() failed for lack of a resource */
};

static volatile sig_atomic_t stopping;

static int complain(const char *path, const char *what, int *code, int exit_code)
{
    fprintf(stderr, "mailslot-relay: %s: %s\n", path, what);
    *code = exit_code;
    return -1;
}

static int folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    int len = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);

    snprintf(folder, sizeof folder, "%.*s", len, slash == NULL ? "." : path);
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Removes a socket that nobody listens on. NULL, or what is wrong. */
static const char *make_room(const struct sockaddr_un *address)
{
    struct stat st;
    int error = 0;

    if (lstat(address->sun_path, &st) != 0)
        return errno == ENOENT ? NULL : strerror(errno);
    if (!S_ISSOCK(st.st_mode))
        return "is there, and is not a socket";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return strerror(errno);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        error = errno;
    close(fd);
    if (error != ECONNREFUSED)
        return error == 0 || error == EAGAIN ? "another program listens there" : strerror(error);
    return unlink(address->sun_path) == 0 ? NULL : strerror(errno);
}

static int make_socket(const struct sockaddr_un *address, gid_t group)
{
    struct stat st;
    mode_t mask = umask(0117);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int bound = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)address, sizeof *address);

    umask(mask);
    if (bound == 0 && lstat(address->sun_path, &st) == 0 &&
        (st.st_gid == group || lchown(address->sun_path, (uid_t)-1, group) == 0) &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    if (bound == 0)
        unlink(address->sun_path);
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

int relay_listen_open(const char *path, int *code)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;

    if (strlen(path) >= sizeof address.sun_path || *path == '\0')
        return complain(path, "the path of a socket has 1 to 107 bytes", code,
                        RELAY_EXIT_CONFIGURATION);
    strcpy(address.sun_path, path);
    int folder = folder_of(path);
    /* The lock is for two that start at one time; it ends with the descriptor. */
    if (folder < 0 || fstat(folder, &st) != 0 || flock(folder, LOCK_EX) != 0)
        return complain(path, strerror(errno), code, RELAY_EXIT_PASSING);
    const char *wrong = make_room(&address);
    int fd = wrong == NULL ? make_socket(&address, st.st_gid) : -1;
    if (fd < 0)
        complain(path, wrong != NULL ? wrong : strerror(errno), code, RELAY_EXIT_PASSING);
    close(folder);
    return fd;
}

static void on_signal(int signal)
{
    if (signal != SIGCHLD)
        stopping = 1;
}

static _Noreturn void serve(int listener, int fd, const struct relay_start *start,
                            const sigset_t *waiting)
{
    struct relay_start one = *start;

    close(listener);
    for (int i = 0; i < 3; i++)
        signal((const int[]){SIGINT, SIGHUP, SIGTERM}[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, waiting, NULL);
    one.client = fd;
    _exit(relay_serve(&one));
}

static void accept_one(int listener, const struct relay_start *start, const sigset_t *waiting)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            usleep(RETRY_MS * 1000);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        serve(listener, fd, start, waiting);
    if (pid > 0) {
        connections_begin(pid, "local", true);
    } else {
        relay_log(LOG_ERR, "cannot start a process: %s", strerror(errno));
        usleep(RETRY_MS * 1000);
    }
    close(fd);
}

/* Unless another one has taken its place. */
static void remove_socket(const char *path, const struct stat *ours)
{
    struct stat there;

    if (lstat(path, &there) == 0 && there.st_dev == ours->st_dev && there.st_ino == ours->st_ino)
        unlink(path);
}

int relay_listen_run(int fd, const char *path, const struct relay_start *start)
{
    sigset_t waiting;
    struct stat ours = {0};

    lstat(path, &ours);
    signals_hold((const int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0}, on_signal, &waiting);
    systemd_notify("READY=1");
    while (!stopping) {
        struct pollfd ready = {.fd = connections_have_room(true) ? fd : -1, .events = POLLIN};
        int count = ppoll(&ready, 1, NULL, &waiting);
        signals_deliver(&waiting);
        connections_reap(WNOHANG);
        if (count > 0 && !stopping)
            accept_one(fd, start, &waiting);
    }
    systemd_notify("STOPPING=1");
    close(fd);
    remove_socket(path, &ours);
    connections_reap(0);
    return RELAY_EXIT_SERVED;
}
