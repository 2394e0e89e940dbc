/*
 * measure: shared by the benchmarks: time, medians, servers, private memory. Any failure ends the
 * program.
 */
#ifndef MAILSLOT_BENCH_MEASURE_H
#define MAILSLOT_BENCH_MEASURE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { ROUNDS = 7 };

extern const char *server, *database; /* for start_server() and start_listener() */
extern struct sockaddr_in address;    /* of the listener, to connect to */

double now(void);
double median(double *values, size_t count);

/* Each figure of the pair is taken once per round, in turn; the ratio is that of the medians. */
void report(const char *what, const char *unit, double scale, double *ours, double *theirs,
            bool more_is_better, double aim); /* 0: none */

void write_all(int fd, const char *bytes, size_t len);

/* Reads replies until one has this code and is the last line of its reply. */
void expect(int fd, const char *code);
void expect_from(ssize_t (*receive)(void *from, char *to, size_t size), void *from,
                 const char *code);

/* A server for one connection, as inetd would start it. */
pid_t start_server(int *fd);

/* Waits until it has ended, successfully. */
void finish(pid_t pid);

/* Chooses a free port for address, and starts a listener there: mailslot's if NULL. */
pid_t start_listener(void (*theirs)(void));
void stop_listener(pid_t pid);
int connect_to_listener(void);

/* Runs work(i) in clients processes at once; returns how many works a second they did together. */
double run_clients(int clients, int works, void (*work)(int client));

/* One connection: EHLO and QUIT if it is SMTP, until the other side closes. */
void connect_once(bool smtp);

/* The sum of the lines of /proc/PID/smaps_rollup that begin like these. */
long memory_kib(pid_t pid, const char *lines);
pid_t child_of(pid_t pid);

#endif
