#include "listen.h"

#include "back/back.h"
#include "back/log.h"
#include "base/clock.h"
#include "base/connections.h"
#include "base/file.h"
#include "base/peer.h"
#include "base/signals.h"
#include "base/systemd.h"
#include "confine/confine_back.h"
#include "wall/reply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    IDLE_SECONDS = 60,
    RETRY_MS = 100, /* after accept() or fork() failed for lack of a resource */
};

static volatile sig_atomic_t stopping;

static int complain(const char *where, const char *what, int code)
{
    fprintf(stderr, "mailslot-smtpd: %s: %s\n", where, what);
    return code;
}

static bool is_port(const char *text)
{
    return *text != '\0' && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text) &&
           atoi(text) <= 65535;
}

/* Splits `[ADDRESS:]PORT` in place. *address is NULL if there is none. */
static bool split(char *where, char **address, char **port)
{
    char *colon = strrchr(where, ':');

    *address = colon == NULL ? NULL : where;
    *port = colon == NULL ? where : colon + 1;
    if (colon == NULL)
        return is_port(*port);
    *colon = '\0';
    if (*where == '[' && colon > where + 1 && colon[-1] == ']') {
        colon[-1] = '\0';
        ++*address;
    } else if (strpbrk(where, ":[]") != NULL || *where == '\0') {
        return false;
    }
    return is_port(*port);
}

static int open_socket(const struct addrinfo *info)
{
    const int on = 1, off = 0;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    file_close(fd);
    return -1;
}

/* Port 0 means any free port: the log tells which. */
static void log_listening(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
        getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        log_event(EVENT_LISTENING, "address", host, "port", port, NULL);
}

void listen_add(struct listener *listener, int fd, enum role role)
{
    listener->sockets[listener->count].fd = fd;
    listener->sockets[listener->count++].role = role;
}

int listen_open(struct listener *listener, const char *where)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *info;
    char copy[128], *address, *port;

    if (listener->count == LISTEN_SOCKETS_MAX)
        return complain(where, "too many -l", BACK_EXIT_CONFIGURATION);
    snprintf(copy, sizeof copy, "%s", where);
    if (strlen(where) >= sizeof copy || !split(copy, &address, &port) ||
        getaddrinfo(address == NULL ? "::" : address, port, &hints, &info) != 0)
        return complain(where, "write [ADDRESS:]PORT in numbers, such as 127.0.0.1:25 or [::1]:25",
                        BACK_EXIT_CONFIGURATION);
    int fd = open_socket(info);
    freeaddrinfo(info);
    if (fd < 0 && address == NULL && errno == EAFNOSUPPORT) { /* a machine without IPv6 */
        if (getaddrinfo("0.0.0.0", port, &hints, &info) == 0) {
            fd = open_socket(info);
            freeaddrinfo(info);
        }
    }
    if (fd < 0)
        return complain(where,
                        errno == EADDRINUSE ? "another program listens there: stop it, or use "
                                              "another port"
                                            : strerror(errno),
                        BACK_EXIT_PASSING);
    listen_add(listener, fd, ROLES);
    log_listening(fd);
    return 0;
}

static void on_signal(int signal)
{
    if (signal != SIGCHLD)
        stopping = 1;
}

/* The signals stay blocked until the back waits: a session told to stop now still announces it. */
static _Noreturn void serve(const struct listener *listener, int fd, enum role role,
                            const char *peer)
{
    const struct back_start start = {
        .database = listener->database,
        .role = role,
        .in = fd,
        .out = fd,
        .peer = peer,
        .confined = true,
    };

    for (int i = 0; i < listener->count; i++)
        close(listener->sockets[i].fd);
    log_open(fd, fd);
    log_session(peer);
    _exit(back_run(&start));
}

/* At most once a second: it may be a flood. */
static void log_turned_away(const char *peer)
{
    static int64_t last;

    if (clock_ms() - last < 1000)
        return;
    last = clock_ms();
    log_event(EVENT_TURNED_AWAY, "peer", peer, "reason", "too many connections", NULL);
}

static void start_session(const struct listener *listener, int fd, enum role role, bool local)
{
    char peer[PEER_MAX], reply[REPLY_MAX];

    peer_name(fd, peer);
    if (!connections_allow(peer, local)) {
        log_turned_away(peer);
        send(fd, reply, reply_write(reply, REPLY_CLOSING_CONNECTIONS, NULL),
             MSG_NOSIGNAL | MSG_DONTWAIT);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        serve(listener, fd, role, peer);
    if (pid > 0) {
        connections_begin(pid, peer, local);
    } else {
        log_event(EVENT_CANNOT_FORK, "error", strerror(errno), NULL);
        usleep(RETRY_MS * 1000);
    }
}

static enum role role_of(const struct listener *listener, int i)
{
    enum role role = listener->sockets[i].role;

    return role == ROLES ? listener->role : role;
}

static bool is_unix(const struct listener *listener, int i)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;

    return getsockname(listener->sockets[i].fd, (struct sockaddr *)&address, &len) == 0 &&
           address.ss_family == AF_UNIX;
}

/* Is it for mail servers and users of this machine? */
static bool is_local(const struct listener *listener, int i)
{
    return role_of(listener, i) == ROLE_LMTP || is_unix(listener, i);
}

/* Only a UNIX-domain socket tells who its clients are. */
static bool has_good_roles(const struct listener *listener)
{
    for (int i = 0; i < listener->count; i++)
        if (role_of(listener, i) == ROLE_LOCAL && !is_unix(listener, i))
            return false;
    return true;
}

static void accept_one(const struct listener *listener, int i, bool local)
{
    int fd = accept4(listener->sockets[i].fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        start_session(listener, fd, role_of(listener, i), local);
        close(fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_event(EVENT_CANNOT_ACCEPT, "error", strerror(errno), NULL);
        usleep(RETRY_MS * 1000);
    }
}

/* A session in a transaction finishes it first. */
static void stop_sessions(void)
{
    connections_signal(SIGTERM);
    connections_reap(0);
}

int listen_run(const struct listener *listener)
{
    const struct timespec idle = {.tv_sec = IDLE_SECONDS};
    struct pollfd fds[LISTEN_SOCKETS_MAX];
    bool local[LISTEN_SOCKETS_MAX];
    sigset_t waiting;

    if (!has_good_roles(listener))
        return complain("role local", "it needs a UNIX-domain socket from systemd, not a port",
                        BACK_EXIT_CONFIGURATION);
    /* Once for all sessions: setting the filter takes a tenth of the time of a short one. */
    if (confine_back_system_calls() != 0) {
        log_event(EVENT_CANNOT_START, "doing", "confine the listener", "error", strerror(errno),
                  NULL);
        return BACK_EXIT_PASSING;
    }
    signals_hold((const int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0}, on_signal, &waiting);
    for (int i = 0; i < listener->count; i++)
        local[i] = is_local(listener, i);
    systemd_notify("READY=1");
    while (!stopping) {
        bool may_leave = listener->leave_when_idle && connections_count() == 0;
        for (int i = 0; i < listener->count; i++)
            fds[i] = (struct pollfd){.fd = connections_have_room(local[i]) ? listener->sockets[i].fd
                                                                           : -1,
                                     .events = POLLIN};
        int ready = ppoll(fds, (nfds_t)listener->count, may_leave ? &idle : NULL, &waiting);
        signals_deliver(&waiting);
        connections_reap(WNOHANG);
        if (ready == 0 && may_leave)
            break;
        for (int i = 0; ready > 0 && !stopping && i < listener->count; i++)
            if (fds[i].revents != 0 && connections_have_room(local[i]))
                accept_one(listener, i, local[i]);
    }
    systemd_notify("STOPPING=1");
    for (int i = 0; i < listener->count; i++)
        close(listener->sockets[i].fd);
    stop_sessions();
    return BACK_EXIT_SERVED;
}
