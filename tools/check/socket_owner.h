/*
 * socket_owner: the programs that listen on a port or path of this machine, according to /proc.
 */
#ifndef MAILSLOT_SOCKET_OWNER_H
#define MAILSLOT_SOCKET_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

enum { SOCKET_OWNERS_MAX = 16 };

struct socket_owner {
    pid_t pid;      /* 0: only root can see it */
    char name[32];  /* of the program; empty if only root can see it */
    char unit[128]; /* its systemd service; empty: none */
    bool is_ours;   /* mailslot-smtpd, or a program that starts it */
};

/* Does any program listen on a UNIX socket there? */
bool socket_is_open(const char *path);

/* Finds the programs that listen on this port, on any address. Returns their number. */
int socket_owners_of(int port, struct socket_owner owners[SOCKET_OWNERS_MAX]);

#endif
