#include "connections.h"

#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static struct client {
    pid_t pid; /* of the back that serves it */
    bool local;
    char source[PEER_MAX], network[PEER_MAX];
} sessions[CONNECTIONS_NETWORK + CONNECTIONS_LOCAL];
static int session_count, local_count;

static int room(bool local)
{
    return local ? CONNECTIONS_LOCAL - local_count
                 : CONNECTIONS_NETWORK - (session_count - local_count);
}

bool connections_have_room(bool local)
{
    return room(local) > 0;
}

bool connections_allow(const char *peer, bool local)
{
    char source[PEER_MAX], network[PEER_MAX];
    int count = 0, near = 0;

    peer_source(peer, source);
    peer_network(peer, network);
    if (strcmp(source, "local") == 0)
        return true;
    for (int i = 0; i < session_count; i++) {
        if (sessions[i].local != local || strcmp(sessions[i].network, network) != 0)
            continue;
        near++;
        count += strcmp(sessions[i].source, source) == 0;
    }
    return (count == 0 || count < room(local) / (local ? 1 : CONNECTIONS_PART)) &&
           (near == 0 || near < room(local) / (local ? 1 : CONNECTIONS_NETWORK_PART));
}

void connections_begin(pid_t pid, const char *peer, bool local)
{
    struct client *client = &sessions[session_count++];

    client->pid = pid;
    client->local = local;
    peer_source(peer, client->source);
    peer_network(peer, client->network);
    local_count += local;
}

void connections_end(pid_t pid)
{
    for (int i = 0; i < session_count; i++) {
        if (sessions[i].pid != pid)
            continue;
        local_count -= sessions[i].local;
        sessions[i--] = sessions[--session_count];
    }
}

void connections_reap(int options)
{
    pid_t pid;

    while (connections_count() > 0 && (pid = waitpid(-1, NULL, options)) != 0) {
        if (pid < 0 && errno != EINTR)
            return;
        connections_end(pid);
    }
}

int connections_count(void)
{
    return session_count;
}

void connections_signal(int signal)
{
    for (int i = 0; i < session_count; i++)
        kill(sessions[i].pid, signal);
}
