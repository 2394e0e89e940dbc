/*
 * connections: how many sessions the listener serves at one time, and how many of them a client may
 * have.
 *
 * There are two pools: one for the network, and one for the mail servers of this machine, so that a
 * flood of clients from outside cannot stop a local mail server from delivering by LMTP.
 */
#ifndef MAILSLOT_CONNECTIONS_H
#define MAILSLOT_CONNECTIONS_H

#include <stdbool.h>
#include <sys/types.h>

enum {
    CONNECTIONS_NETWORK =
        500, /* sessions of the network; further clients wait in the kernel's queue */
    CONNECTIONS_LOCAL = 100,      /* sessions of UNIX-domain sockets and of the role lmtp */
    CONNECTIONS_PART = 4,         /* a source has at most a quarter of what is free: 100 alone */
    CONNECTIONS_NETWORK_PART = 2, /* a network has at most half of it: 166 alone */
};

/* Is there room for one more session? */
bool connections_have_room(bool local);

/* May this peer (peer.h) have one more? In the network's pool a source (peer_source()) has at
 * most a fourth of what is still free, so that twenty sources cannot fill it, and the sources of
 * one network (peer_network()) at most half, so that one customer's IPv6 addresses cannot; in
 * the other pool, as many as are free. Peers of UNIX-domain sockets are not counted: the
 * socket's mode decides who may connect. */
bool connections_allow(const char *peer, bool local);

/* A session has begun, for which there was room; the process of a session has ended. */
void connections_begin(pid_t pid, const char *peer, bool local);
void connections_end(pid_t pid);

/* Calls connections_end() for each process that has ended. options: as in waitpid(2); 0 waits for
 * all of them. */
void connections_reap(int options);

/* All sessions. */
int connections_count(void);
void connections_signal(int signal);

#endif
