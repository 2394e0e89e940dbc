/*
 * bench: how fast mailslot is, compared with the least that the same work can cost. Both are
 * measured in turn in one run, and printed with their ratio: medians of several rounds, as the
 * machine may be shared.
 *
 *   bench SERVER DATABASE FOLDER     FOLDER is on the mailboxes' file system; users u0 to u15 exist
 */
#include "measure.h"

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE = 4096, LARGE = 20 << 20, USERS = 16 };

static const char *folder;

static void send_mail(int fd, int user, const char *text, size_t len)
{
    char envelope[256];
    int envelope_len = snprintf(envelope, sizeof envelope,
                                "EHLO bench.example\r\nMAIL FROM:<s@bench.example>\r\n"
                                "RCPT TO:<u%d@example.org>\r\nDATA\r\n",
                                user);

    expect(fd, "220");
    write_all(fd, envelope, (size_t)envelope_len);
    expect(fd, "354");
    write_all(fd, text, len);
    write_all(fd, "\r\n.\r\nQUIT\r\n", 11);
    expect(fd, "221");
}

static char *make_text(size_t len)
{
    char *text = malloc(len);

    if (text == NULL)
        err(1, "malloc");
    for (size_t i = 0; i < len; i++)
        text[i] = i % 74 == 72 ? '\r' : i % 74 == 73 ? '\n' : (char)('a' + i % 26);
    memcpy(text, "Subject: bench\r\n\r\n", 18);
    text[len - 1] = 'x';
    return text;
}

/* ---- process start to greeting : exec of a program that does nothing ---- */

static pid_t start_empty(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        execl("/proc/self/exe", "empty", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void bench_start(void)
{
    enum { RUNS = 200 };
    static double ours[ROUNDS], empty[ROUNDS], times[RUNS];

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < RUNS; i++) {
            double begin = now();
            finish(start_empty());
            times[i] = now() - begin;
        }
        empty[round] = median(times, RUNS);
        for (int i = 0; i < RUNS; i++) {
            int fd;
            double begin = now();
            pid_t pid = start_server(&fd);
            expect(fd, "220");
            times[i] = now() - begin;
            write_all(fd, "QUIT\r\n", 6);
            expect(fd, "221");
            close(fd);
            finish(pid);
        }
        ours[round] = median(times, RUNS);
    }
    report("start to greeting : exec of an empty program", "us", 1e6, ours, empty, false, 2.0);
}

/* ---- 20 MiB by DATA : cp and fdatasync ---- */

static void copy(const char *text, const char *to)
{
    static char buffer[131072];
    int in = memfd_create("source", 0), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t got;

    if (in < 0 || out < 0)
        err(1, "%s", to);
    write_all(in, text, LARGE);
    lseek(in, 0, SEEK_SET);
    while ((got = read(in, buffer, sizeof buffer)) > 0)
        write_all(out, buffer, (size_t)got);
    if (fdatasync(out) != 0)
        err(1, "fdatasync");
    close(in);
    close(out);
}

static void bench_large(void)
{
    static double ours[ROUNDS], cp[ROUNDS];
    char *text = make_text(LARGE), path[512], mailbox[512];

    snprintf(path, sizeof path, "%s/copy", folder);
    snprintf(mailbox, sizeof mailbox, "%s/mail/example.org/u0", folder);
    for (int round = 0; round < ROUNDS; round++) {
        int fd;
        unlink(path);
        sync();
        double begin = now();
        copy(text, path);
        cp[round] = now() - begin;
        unlink(mailbox);
        sync();
        begin = now();
        pid_t pid = start_server(&fd);
        send_mail(fd, 0, text, LARGE);
        ours[round] = now() - begin;
        close(fd);
        finish(pid);
    }
    free(text);
    report("20 MiB by DATA, one session : cp + fdatasync", "ms", 1e3, ours, cp, false, 2.0);
}

/* ---- durable 4 KiB messages a second : append + fdatasync ---- */

static char *small_text;

static void append_alone(int client)
{
    static int fd = -1;
    char path[512];

    if (fd < 0) {
        snprintf(path, sizeof path, "%s/append%d", folder, client);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    write_all(fd, small_text, MESSAGE);
    if (fdatasync(fd) != 0)
        err(1, "fdatasync");
}

static void deliver_own(int client)
{
    int fd = connect_to_listener();

    if (fd < 0)
        err(1, "connect");
    send_mail(fd, client, small_text, MESSAGE);
    close(fd);
}

static void deliver_same(int client)
{
    (void)client;
    deliver_own(0);
}

/* The same in one session: the cost of delivery alone. */
static void deliver_kept(int client)
{
    static int fd = -1;
    static char envelope[256];
    static int len;

    if (fd < 0) {
        fd = connect_to_listener();
        len = snprintf(envelope, sizeof envelope,
                       "MAIL FROM:<s@bench.example>\r\nRCPT TO:<u%d@example.org>\r\nDATA\r\n",
                       client);
        expect(fd, "220");
        write_all(fd, "HELO bench.example\r\n", 20);
        expect(fd, "250");
    }
    write_all(fd, envelope, (size_t)len);
    expect(fd, "354");
    write_all(fd, small_text, MESSAGE);
    write_all(fd, "\r\n.\r\n", 5);
    expect(fd, "250");
}

/* The least that a program started for each connection can do: read the message without looking at
 * it, append it, sync, reply 250. This is mailslot without SMTP, walls and safety. */
static int least(const char *path)
{
    static char text[MESSAGE + 1024];
    size_t len = 0;
    ssize_t got;
    bool data = false;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    write_all(1, "220 least\r\n", 11);
    while ((got = read(0, text + len, sizeof text - len)) > 0) {
        len += (size_t)got;
        if (!data && memcmp(text + len - 6, "DATA\r\n", 6) == 0) {
            write_all(1, "354 go on\r\n", 11);
            data = true;
            len = 0;
        } else if (memcmp(text + len - 6, "QUIT\r\n", 6) == 0) {
            break;
        }
    }
    write_all(fd, text, len);
    if (fdatasync(fd) != 0)
        return 1;
    write_all(1, "250 done\r\n221 bye\r\n", 19);
    return 0;
}

/* accept, fork, exec, like inetd and tcpserver. */
static void listen_for_least(void)
{
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char path[512];

    snprintf(path, sizeof path, "%s/least", folder);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    signal(SIGCHLD, SIG_IGN);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0)
        err(1, "listen");
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && fork() == 0) {
            dup2(fd, 0);
            dup2(fd, 1);
            execl("/proc/self/exe", "least", path, (char *)NULL);
            _exit(127);
        }
        close(fd);
    }
}

static struct sockaddr_in our_address, least_address;

static void deliver_to_ours(int client)
{
    address = our_address;
    deliver_own(client);
}

static void deliver_to_least(int client)
{
    address = least_address;
    deliver_own(client);
}

static void bench_beside_least(const char *what, int clients, int works)
{
    static double ours[ROUNDS], theirs[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        theirs[round] = run_clients(clients, works, deliver_to_least);
        ours[round] = run_clients(clients, works, deliver_to_ours);
    }
    report(what, "a second", 1, ours, theirs, true, 0.7);
}

static void bench_messages(const char *what, int clients, int works, void (*work)(int))
{
    static double ours[ROUNDS], alone[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        alone[round] = run_clients(clients, works, append_alone);
        ours[round] = run_clients(clients, works, work);
    }
    report(what, "a second", 1, ours, alone, true, 0.7);
}

/* ---- private memory ---- */

static void bench_memory(const char *what, size_t size)
{
    int fd;
    char *text = make_text(size);
    pid_t pid = start_server(&fd);

    expect(fd, "220");
    write_all(fd, "HELO bench.example\r\nMAIL FROM:<>\r\nRCPT TO:<u0@example.org>\r\nDATA\r\n", 68);
    expect(fd, "354");
    write_all(fd, text, size);
    usleep(300000); /* until both have settled */
    long back = memory_kib(pid, "Private_"), front = memory_kib(child_of(pid), "Private_");
    printf("%-52s %9ld KiB, back %ld, front %ld (aim: 700 or less)\n", what, back + front, back,
           front);
    write_all(fd, "\r\n.\r\nQUIT\r\n", 11);
    expect(fd, "221");
    close(fd);
    finish(pid);
    free(text);
}

int main(int argc, char **argv)
{
    if (strcmp(argv[0], "empty") == 0)
        return 0;
    if (strcmp(argv[0], "least") == 0)
        return least(argv[1]);
    if (argc != 4)
        errx(100, "usage: bench SERVER DATABASE FOLDER");
    server = argv[1];
    database = argv[2];
    folder = argv[3];
    small_text = make_text(MESSAGE);
    bench_start();
    bench_large();
    pid_t least_listener = start_listener(listen_for_least);
    least_address = address;
    pid_t listener = start_listener(NULL);
    our_address = address;
    bench_beside_least("4 KiB, 1 client : the least program per connection", 1, 200);
    bench_beside_least("4 KiB, 16 clients : the least program", 16, 40);
    address = our_address;
    bench_messages("4 KiB, 1 client, a connection each : append + sync", 1, 200, deliver_own);
    bench_messages("4 KiB, 16 clients, a connection each", 16, 40, deliver_own);
    bench_messages("4 KiB, 16 clients, all to one mailbox", 16, 40, deliver_same);
    bench_messages("4 KiB, 1 client, one connection for all", 1, 300, deliver_kept);
    bench_messages("4 KiB, 16 clients, one connection each for all", 16, 60, deliver_kept);
    stop_listener(listener);
    stop_listener(least_listener);
    bench_memory("private memory, in a message of 4 KiB", MESSAGE);
    bench_memory("private memory, in a message of 20 MiB", LARGE);
    return 0;
}
