/*
 * bench-listen: empty sessions (connect, EHLO, QUIT) a second by the listener, fully confined,
 * compared with the least that a process for each connection can do: accept, fork, write, close.
 *
 *   bench-listen SERVER DATABASE DATABASE-WITH-TLS     the second has a certificate, so that the
 *                                                      listener loads GnuTLS for all sessions
 */
#include "measure.h"

#include <err.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 8, SESSIONS = 150 };

static struct sockaddr_in our_address, least_address;

static void listen_for_least(void)
{
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    signal(SIGCHLD, SIG_IGN);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0)
        err(1, "listen");
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && fork() == 0) {
            write_all(fd, "220 least\r\n", 11);
            _exit(0);
        }
        close(fd);
    }
}

static void session(int client)
{
    (void)client;
    address = our_address;
    connect_once(true);
}

static void until_closed(int client)
{
    (void)client;
    address = least_address;
    connect_once(false);
}

static void bench(const char *what)
{
    static double ours[ROUNDS], theirs[ROUNDS];
    pid_t listener = start_listener(NULL);

    our_address = address;
    for (int round = 0; round < ROUNDS; round++) {
        theirs[round] = run_clients(CLIENTS, SESSIONS, until_closed);
        ours[round] = run_clients(CLIENTS, SESSIONS, session);
    }
    report(what, "a second", 1, ours, theirs, true, 0.3);
    stop_listener(listener);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(100, "usage: bench-listen SERVER DATABASE DATABASE-WITH-TLS");
    server = argv[1];
    pid_t least = start_listener(listen_for_least);
    least_address = address;
    database = argv[2];
    bench("listener, 8 clients : accept, fork, write, close");
    database = argv[3];
    bench("the same with GnuTLS loaded");
    stop_listener(least);
    return 0;
}
