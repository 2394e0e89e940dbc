#include "dial.h"

#include "../base/clock.h"
#include "../base/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NEXT_MS = 250,      /* until the next address is tried, too */
    CONNECT_MS = 10000, /* until an address counts as dead */
    LOOK_UP_MS = 20000,
};

/* ---- the look-up -------------------------------------------------------------------------------
 */

struct answer {
    int error;  /* of getaddrinfo() */
    int system; /* errno with EAI_SYSTEM */
    size_t len;
    struct dial_address addresses[DIAL_ADDRESSES_MAX];
};

static void look_up(struct answer *answer, const char *host, uint16_t port, int flags)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    char service[8];

    memset(answer, 0, sizeof *answer);
    snprintf(service, sizeof service, "%u", port);
    answer->error = getaddrinfo(host, service, &hints, &found);
    answer->system = errno;
    if (answer->error != 0)
        return;
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        struct dial_address *to = &answer->addresses[answer->len];
        if (answer->len == DIAL_ADDRESSES_MAX || one->ai_addrlen > sizeof to->is)
            continue;
        memcpy(&to->is, one->ai_addr, one->ai_addrlen);
        to->len = one->ai_addrlen;
        answer->len++;
    }
    freeaddrinfo(found);
}

/* Reads exactly this much from the child before the deadline. */
static int read_answer(int fd, struct answer *answer, int64_t deadline)
{
    size_t len = 0;

    while (len < sizeof *answer) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - clock_ms();
        if (left <= 0 || poll(&ready, 1, (int)left) == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        ssize_t got = read(fd, (char *)answer + len, sizeof *answer - len);
        if (got == 0)
            errno = ECHILD; /* it has died */
        if (got <= 0)
            return -1;
        len += (size_t)got;
    }
    return answer->len <= DIAL_ADDRESSES_MAX ? 0 : -1;
}

static int look_up_in_child(struct answer *answer, const char *host, uint16_t port,
                            int64_t deadline)
{
    int ends[2];

    if (pipe(ends) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        look_up(answer, host, port, AI_ADDRCONFIG);
        _exit(file_write_all(ends[1], (const char *)answer, sizeof *answer) == 0 ? 0 : 1);
    }
    file_close(ends[1]);
    int result = pid < 0 ? -1 : read_answer(ends[0], answer, deadline);
    file_close(ends[0]);
    if (pid > 0) {
        int error = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        errno = error;
    }
    return result;
}

int dial_begin(struct dial *dial, const char *host, uint16_t port, int64_t deadline,
               struct fault *fault)
{
    struct answer answer;
    int64_t latest = clock_ms() + LOOK_UP_MS;

    *dial = (struct dial){.error = 0};
    look_up(&answer, host, port, AI_NUMERICHOST);
    if (answer.error == EAI_NONAME &&
        look_up_in_child(&answer, host, port, latest < deadline ? latest : deadline) != 0)
        return fault_set(fault, FAULT_LOOK_UP, "%s",
                         errno == ETIMEDOUT ? "no answer from the name service in time"
                                            : strerror(errno));
    if (answer.error != 0)
        return fault_set(fault, FAULT_LOOK_UP, "%s",
                         answer.error == EAI_SYSTEM ? strerror(answer.system)
                                                    : gai_strerror(answer.error));
    dial->len = answer.len;
    memcpy(dial->addresses, answer.addresses, sizeof dial->addresses);
    for (size_t i = 0; i < DIAL_ADDRESSES_MAX; i++)
        dial->fds[i] = -1;
    return 0;
}

/* ---- the connection ----------------------------------------------------------------------------
 */

static void start(struct dial *dial)
{
    const struct dial_address *address = &dial->addresses[dial->next];
    int fd = socket(address->is.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    dial->started = clock_ms();
    if (fd >= 0 && connect(fd, &address->is.any, address->len) != 0 && errno != EINPROGRESS) {
        file_close(fd);
        fd = -1;
    }
    if (fd < 0) {
        dial->error = errno;
        dial->started = 0; /* the next one is tried at once */
    }
    dial->fds[dial->next++] = fd;
}

static void give_up(struct dial *dial, size_t i, int error)
{
    dial->error = error;
    dial->started = 0;
    close(dial->fds[i]);
    dial->fds[i] = -1;
}

static bool is_trying(const struct dial *dial)
{
    for (size_t i = 0; i < dial->next; i++)
        if (dial->fds[i] >= 0)
            return true;
    return false;
}

bool dial_has_more(const struct dial *dial)
{
    return dial->next < dial->len || is_trying(dial);
}

/* One that is connected; -1: none yet. */
static int pick(struct dial *dial, const struct pollfd *ready, size_t *which)
{
    for (size_t i = 0; i < dial->next; i++) {
        int error = 0, fd = dial->fds[i];
        socklen_t len = sizeof error;
        if (fd < 0 || ready[i].revents == 0)
            continue;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
            error = errno;
        if (error != 0) {
            give_up(dial, i, error);
            continue;
        }
        *which = i;
        dial->started = 0; /* should it be of no use, the next one is tried at once */
        dial->fds[i] = -1;
        return fd;
    }
    return -1;
}

/* How long to wait for those that are being connected, in milliseconds; 0: no longer. */
static int64_t patience(const struct dial *dial, int64_t deadline)
{
    int64_t now = clock_ms(), latest = dial->started + CONNECT_MS, left;

    if (dial->started == 0) /* one has failed, and others are still being connected */
        latest = now + CONNECT_MS;
    left = (latest < deadline ? latest : deadline) - now;
    if (dial->next < dial->len && dial->started + NEXT_MS - now < left)
        left = dial->started + NEXT_MS - now;
    return left > 0 ? left : 0;
}

static int describe(int fd, const struct dial_address *address, char text[DIAL_TEXT_MAX])
{
    const int on = 1;

    if (getnameinfo(&address->is.any, address->len, text, DIAL_TEXT_MAX, NULL, 0, NI_NUMERICHOST) !=
        0)
        strcpy(text, "?");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return fd;
}

int dial_next(struct dial *dial, int64_t deadline, char address[DIAL_TEXT_MAX], struct fault *fault)
{
    struct pollfd ready[DIAL_ADDRESSES_MAX];
    size_t which = 0;

    while (dial_has_more(dial)) {
        if (dial->next < dial->len && clock_ms() >= dial->started + NEXT_MS)
            start(dial);
        for (size_t i = 0; i < dial->next; i++)
            ready[i] = (struct pollfd){.fd = dial->fds[i], .events = POLLOUT};
        int64_t left = patience(dial, deadline);
        int count = is_trying(dial) ? poll(ready, dial->next, (int)left) : 0;
        int fd = count > 0 ? pick(dial, ready, &which) : -1;
        if (fd >= 0)
            return describe(fd, &dial->addresses[which], address);
        if (count == 0 && (dial->next == dial->len || clock_ms() >= deadline)) {
            if (is_trying(dial) || dial->error == 0)
                dial->error = ETIMEDOUT;
            break;
        }
    }
    dial_end(dial);
    return fault_set(fault, FAULT_CONNECT, "%s",
                     dial->error == 0 ? "no address" : strerror(dial->error));
}

void dial_end(struct dial *dial)
{
    for (size_t i = 0; i < dial->next; i++)
        if (dial->fds[i] >= 0)
            close(dial->fds[i]);
    dial->next = dial->len = 0;
}
