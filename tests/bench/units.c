/*
 * bench-units: how long connections to ports of this machine take, as a client sees them.
 *
 * bench-units turn COUNT PORT...
 *
 * One connection to each port in turn, COUNT times, until it is closed. Prints for each port the
 * median and the quickest tenth, in ms.
 *
 * bench-units smtp|wait COUNT PORT
 *
 * 8 clients at once, COUNT connections of each: a session (EHLO, QUIT), or until it is closed.
 * Prints how many there were in a second.
 *
 * bench-units
 *
 * The empty program that a unit can run.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 8, PAUSE_US = 20000 };

/* A new order each time, so that one connection's clean-up does not always delay the same next one.
 */
static void shuffle(int *order, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int other = rand() % (i + 1), taken = order[i];
        order[i] = order[other];
        order[other] = taken;
    }
}

static void take_turns(int count, int ports, char **port)
{
    double *times = calloc((size_t)(count * ports), sizeof *times);
    int *order = calloc((size_t)ports, sizeof *order);

    if (times == NULL || order == NULL)
        err(1, "calloc");
    for (int p = 0; p < ports; p++)
        order[p] = p;
    for (int i = 0; i < count; i++) {
        shuffle(order, ports);
        for (int p = 0; p < ports; p++) {
            usleep(PAUSE_US);
            address.sin_port = htons((uint16_t)atoi(port[order[p]]));
            double begin = now();
            connect_once(false);
            times[order[p] * count + i] = now() - begin;
        }
    }
    for (int p = 0; p < ports; p++) {
        double middle = median(times + p * count, (size_t)count); /* median() has sorted them */
        printf("%.3f %.3f\n", 1e3 * middle, 1e3 * times[p * count + count / 10]);
    }
    free(times);
    free(order);
}

static void session(int client)
{
    (void)client;
    connect_once(true);
}

static void until_closed(int client)
{
    (void)client;
    connect_once(false);
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return 0;
    if (argc < 4)
        errx(100, "usage: bench-units turn|smtp|wait COUNT PORT...");
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(argv[3])),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (strcmp(argv[1], "turn") == 0)
        take_turns(atoi(argv[2]), argc - 3, argv + 3);
    else
        printf("%.1f\n", run_clients(CLIENTS, atoi(argv[2]),
                                     strcmp(argv[1], "smtp") == 0 ? session : until_closed));
    return 0;
}
