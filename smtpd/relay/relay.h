/*
 * relay: one connection of a hand: connects to the smarthost, and joins the two.
 */
#ifndef MAILSLOT_RELAY_H
#define MAILSLOT_RELAY_H

enum { RELAY_EXIT_SERVED = 0, RELAY_EXIT_CONFIGURATION = 100, RELAY_EXIT_PASSING = 111 };

/* The whole of it must end before the client's patience of 60 seconds does. */
enum { RELAY_PATIENCE_SECONDS = 50, RELAY_PATIENCE_MAX = 3600 };

struct relay_start {
    const char *database;
    int client;   /* a connected stream socket */
    int patience; /* seconds for everything up to the log-in */
};

/* Serves it, and returns the exit code. The log is open. It has one connection in its life: the
 * process is confined afterwards. */
int relay_serve(const struct relay_start *start);

#endif
