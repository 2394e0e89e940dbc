/*
 * listeners: which program listens on a port of this machine, as /proc tells.
 */
#ifndef MAILSLOT_LISTENERS_H
#define MAILSLOT_LISTENERS_H

#include <stdbool.h>
#include <sys/types.h>

enum { LISTENERS_MAX = 16 };

struct listening_program {
    pid_t pid;      /* 0: it cannot be seen by us */
    char name[32];  /* of the program, empty if it cannot be seen */
    char unit[128]; /* systemd's, empty: none */
    bool is_ours;   /* is it mailslot-smtpd, or what starts that? */
};

/* Does any program listen on a UNIX socket there? */
bool listeners_has_path(const char *path);

/* Fills in those that listen on this port, on whatever address; how many there are. */
int listeners_find(int port, struct listening_program listeners[LISTENERS_MAX]);

#endif
