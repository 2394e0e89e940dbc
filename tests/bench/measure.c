#include "measure.h"

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *server, *database;
struct sockaddr_in address;

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

void report(const char *what, const char *unit, double scale, double *ours, double *theirs,
            bool more_is_better, double aim)
{
    double a = median(ours, ROUNDS) * scale, b = median(theirs, ROUNDS) * scale;

    printf("%-51s %8.1f : %8.1f %s, ratio %.2f", what, a, b, unit, a / b);
    if (aim > 0)
        printf(" (aim: %.1f or %s)", aim, more_is_better ? "more" : "less");
    putchar('\n');
    fflush(stdout);
}

void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written <= 0)
            err(1, "write");
        bytes += written;
        len -= (size_t)written;
    }
}

void expect_from(ssize_t (*receive)(void *from, char *to, size_t size), void *from,
                 const char *code)
{
    char buffer[4096];
    size_t len = 0;

    for (;;) {
        ssize_t got = receive(from, buffer + len, sizeof buffer - 1 - len);
        if (got <= 0)
            errx(1, "the server closed, %s was due", code);
        len += (size_t)got;
        buffer[len] = '\0';
        char *line = buffer;
        for (char *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
            if (*line > '3')
                errx(1, "refused: %s", line);
            if (strncmp(line, code, 3) == 0 && line[3] == ' ')
                return;
        }
        len -= (size_t)(line - buffer);
        memmove(buffer, line, len);
    }
}

static ssize_t receive_plain(void *from, char *to, size_t size)
{
    return read(*(int *)from, to, size);
}

void expect(int fd, const char *code)
{
    expect_from(receive_plain, &fd, code);
}

pid_t start_server(int *fd)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        err(1, "socketpair");
    pid_t pid = vfork();
    if (pid == 0) {
        dup2(pair[1], 0);
        dup2(pair[1], 1);
        execl(server, server, "-d", database, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    *fd = pair[0];
    return pid;
}

void finish(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || status != 0)
        errx(1, "a process failed");
}

int connect_to_listener(void)
{
    const int on =
        1; /* otherwise two writes in a row wait for the other side's delayed acknowledgement */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return close(fd), -1;
    return fd;
}

pid_t start_listener(void (*theirs)(void))
{
    char where[64];
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;
    socklen_t len = sizeof address;

    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(probe, (struct sockaddr *)&address, len) != 0 ||
        getsockname(probe, (struct sockaddr *)&address, &len) != 0)
        err(1, "bind");
    close(probe);
    snprintf(where, sizeof where, "127.0.0.1:%d", ntohs(address.sin_port));
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (theirs != NULL)
            theirs();
        if (geteuid() == 0)
            execl(server, server, "-d", database, "-u", "root", "-l", where, (char *)NULL);
        execl(server, server, "-d", database, "-l", where, (char *)NULL);
        _exit(127);
    }
    for (int tries = 0; (fd = connect_to_listener()) < 0; tries++) {
        if (tries == 200)
            errx(1, "the listener does not come up");
        usleep(10000);
    }
    close(fd);
    return pid;
}

void stop_listener(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

double run_clients(int clients, int works, void (*work)(int client))
{
    double begin = now();

    for (int i = 0; i < clients; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (int w = 0; w < works; w++)
                work(i);
            _exit(0);
        }
        if (pid < 0)
            err(1, "fork");
    }
    for (int i = 0, status; i < clients; i++)
        if (wait(&status) < 0 || status != 0)
            errx(1, "a client failed");
    return clients * works / (now() - begin);
}

void connect_once(bool smtp)
{
    char end[512];
    int fd = connect_to_listener();

    if (fd < 0)
        err(1, "connect");
    if (smtp) {
        expect(fd, "220");
        write_all(fd, "EHLO bench.example\r\n", 20);
        expect(fd, "250");
        write_all(fd, "QUIT\r\n", 6);
        expect(fd, "221");
    }
    while (read(fd, end, sizeof end) > 0)
        ;
    close(fd);
}

long memory_kib(pid_t pid, const char *lines)
{
    char path[64], line[256];
    long sum = 0, value;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, lines, strlen(lines)) == 0 && sscanf(line, "%*[^:]: %ld", &value) == 1)
            sum += value;
    fclose(file);
    return sum;
}

pid_t child_of(pid_t pid)
{
    char path[64];
    int child = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%d", &child) != 1)
            child = 0;
        fclose(file);
    }
    return child;
}
