/*
 * filter: a filter of the milter protocol that wants to see everything and accepts it at once.
 *
 *   filter PATH         listens on a UNIX-domain socket
 *
 * A thread for each connection. It prints a line when it listens, and runs until it is killed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct connection {
    int fd;
    char in[1 << 17];
    size_t len;
    char out[4096];
    size_t out_len;
};

static void answer(struct connection *c, const char *bytes, size_t len)
{
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
}

/* Version 6, no changes, and no step left out. Returns whether the connection goes on. */
static bool packet(struct connection *c, char command)
{
    static const char negotiated[] = "\0\0\0\rO\0\0\0\6\0\0\0\0\0\0\0\0";

    switch (command) {
    case 'O':
        answer(c, negotiated, sizeof negotiated - 1);
        return true;
    case 'Q':
        return false;
    case 'D': /* macros */
    case 'A': /* abort */
    case 'K': /* the end of this session: another one begins */
        return true;
    case 'E':
        answer(c, "\0\0\0\1a", 5);
        return true;
    default:
        answer(c, "\0\0\0\1c", 5);
        return true;
    }
}

/* Takes the whole packets of the input. Returns whether the connection goes on. */
static bool take_packets(struct connection *c)
{
    size_t at = 0;
    uint32_t len;
    bool more = true;

    while (more && c->len - at >= 5 && c->out_len <= sizeof c->out - 32) {
        memcpy(&len, c->in + at, sizeof len);
        len = ntohl(len);
        if (len == 0 || len > sizeof c->in - 4)
            return false;
        if (c->len - at - 4 < len)
            break;
        more = packet(c, c->in[at + 4]);
        at += 4 + (size_t)len;
    }
    c->len -= at;
    memmove(c->in, c->in + at, c->len);
    return more;
}

static void *serve(void *given)
{
    struct connection *c = given;
    ssize_t got;

    while ((got = read(c->fd, c->in + c->len, sizeof c->in - c->len)) > 0) {
        c->len += (size_t)got;
        bool more = true;
        do {
            c->out_len = 0;
            more = take_packets(c);
            if (c->out_len > 0 && write(c->fd, c->out, c->out_len) != (ssize_t)c->out_len)
                more = false;
        } while (more && c->out_len > sizeof c->out - 32);
        if (!more)
            break;
    }
    close(c->fd);
    free(c);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    pthread_t thread;

    if (argc != 2)
        errx(100, "usage: filter PATH");
    signal(SIGPIPE, SIG_IGN);
    snprintf(un.sun_path, sizeof un.sun_path, "%s", argv[1]);
    unlink(un.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&un, sizeof un) != 0 || listen(listener, 1024) != 0)
        err(1, "%s", un.sun_path);
    chmod(un.sun_path, 0666); /* peers run as users of their own */
    puts("listening");
    fflush(stdout);
    for (;;) {
        struct connection *c = calloc(1, sizeof *c);
        if (c == NULL || (c->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
            err(1, "accept");
        if (pthread_create(&thread, NULL, serve, c) != 0)
            errx(1, "no thread");
        pthread_detach(thread);
    }
}
