#include "link.h"

#include "../base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void link_begin(struct link *link, int fd, int64_t deadline)
{
    *link = (struct link){.fd = fd, .deadline = deadline, .tls = {.protocol = "-", .cipher = "-"}};
}

void link_end(struct link *link)
{
    if (link->session != NULL)
        gnutls_deinit(link->session);
    link->session = NULL;
    close(link->fd);
}

/* 0, or -1 with errno, which is ETIMEDOUT at the deadline. */
static int await(const struct link *link, short events)
{
    struct pollfd fd = {.fd = link->fd, .events = events};
    int64_t left = link->deadline - clock_ms();
    int ready = left > 0 ? poll(&fd, 1, (int)left) : 0;

    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 || (ready < 0 && errno == EINTR) ? 0 : -1;
}

/* errno as read(2) sets it. */
static ssize_t result_of(ssize_t result)
{
    if (result >= 0)
        return result;
    errno = result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED ? EAGAIN : EPROTO;
    return -1;
}

ssize_t link_read(struct link *link, char *to, size_t size)
{
    if (link->session == NULL)
        return recv(link->fd, to, size, 0);
    ssize_t got = gnutls_record_recv(link->session, to, size);
    return got == GNUTLS_E_PREMATURE_TERMINATION ? 0 : result_of(got);
}

/* GnuTLS has kept what it could not send, and only wants to be called again. */
ssize_t link_write(struct link *link, const char *bytes, size_t len)
{
    if (link->session == NULL)
        return send(link->fd, bytes, len, MSG_NOSIGNAL);
    ssize_t sent =
        gnutls_record_send(link->session, link->retries ? NULL : bytes, link->retries ? 0 : len);
    link->retries = sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED;
    return result_of(sent);
}

bool link_has_pending(const struct link *link)
{
    return link->session != NULL && gnutls_record_check_pending(link->session) > 0;
}

int link_send(struct link *link, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = link_write(link, bytes.at, bytes.len);
        if (sent >= 0)
            bytes = slice_from(bytes, (size_t)sent);
        else if (errno != EAGAIN || await(link, POLLOUT) != 0)
            return -1;
    }
    return 0;
}

/* More bytes into the buffer, which is empty. */
static int fill(struct link *link, const char **wrong)
{
    link->start = link->end = 0;
    for (;;) {
        ssize_t got = link_read(link, link->in, sizeof link->in);
        if (got > 0) {
            link->end = (size_t)got;
            return 0;
        }
        if (got == 0 || errno != EAGAIN) {
            *wrong = got == 0          ? "the connection was closed"
                     : errno == EPROTO ? "what came is not TLS"
                                       : strerror(errno);
            return -1;
        }
        if (await(link, POLLIN) != 0) {
            *wrong = errno == ETIMEDOUT ? "no reply in time" : strerror(errno);
            return -1;
        }
    }
}

int link_reply(struct link *link, struct hop_reply *reply, void (*line)(void *, struct slice),
               void *context, const char **wrong)
{
    enum hop_reply_result result = HOP_REPLY_PART;

    hop_reply_begin(reply);
    while (result != HOP_REPLY_WHOLE) {
        if (link->start == link->end && fill(link, wrong) != 0)
            return -1;
        struct slice bytes = {link->in + link->start, link->end - link->start};
        link->start += hop_reply_feed(reply, bytes, &result);
        if (result == HOP_REPLY_MALFORMED) {
            *wrong = "malformed reply";
            return -1;
        }
        if (result != HOP_REPLY_PART && line != NULL)
            line(context, hop_reply_line(reply));
    }
    return 0;
}

bool link_is_ahead(const struct link *link)
{
    return link->start < link->end || link_has_pending(link);
}
