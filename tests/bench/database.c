/*
 * How the number of users affects a session: the greeting and the first RCPT with a large database
 * and with one of ten users, in turn.
 *
 * database SERVER SMALL LARGE USERS: two databases; USERS is how many u0000000, u0000001 and so on
 * the large one has.
 */
#include "measure.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SESSIONS = 40 };

static void ask(int fd, const char *command, const char *code)
{
    write_all(fd, command, strlen(command));
    expect(fd, code);
}

/* The medians of some sessions, each for another user. */
static void measure(const char *path, long users, double *greeting, double *recipient)
{
    double greetings[SESSIONS], recipients[SESSIONS];
    char command[64];

    database = path;
    for (long i = 0; i < SESSIONS; i++) {
        int fd;
        double start = now();
        pid_t pid = start_server(&fd);
        expect(fd, "220");
        greetings[i] = now() - start;
        ask(fd, "HELO bench.example\r\n", "250");
        ask(fd, "MAIL FROM:<>\r\n", "250");
        snprintf(command, sizeof command, "RCPT TO:<u%07ld@example.org>\r\n",
                 i * 7919 % SESSIONS * (users / SESSIONS) % users);
        start = now();
        ask(fd, command, "250");
        recipients[i] = now() - start;
        ask(fd, "QUIT\r\n", "221");
        close(fd);
        finish(pid);
    }
    *greeting = median(greetings, SESSIONS);
    *recipient = median(recipients, SESSIONS);
}

int main(int argc, char **argv)
{
    double greetings[2][ROUNDS], recipients[2][ROUNDS];
    char what[64];

    if (argc != 5)
        errx(100, "usage: database SERVER SMALL LARGE USERS");
    server = argv[1];
    for (int i = 0; i < ROUNDS; i++) {
        measure(argv[3], atol(argv[4]), &greetings[0][i], &recipients[0][i]);
        measure(argv[2], 10, &greetings[1][i], &recipients[1][i]);
    }
    snprintf(what, sizeof what, "greeting, with %s users : with 10", argv[4]);
    report(what, "us", 1e6, greetings[0], greetings[1], false, 1.2);
    snprintf(what, sizeof what, "first RCPT, with %s users : with 10", argv[4]);
    report(what, "us", 1e6, recipients[0], recipients[1], false, 1.2);
    return 0;
}
