#include "hop_hand.h"

#include "../confine/confine_worker.h"
#include "../hand/hand.h"
#include "hop_connect.h"
#include "hop_log.h"
#include "log.h"
#include "wait.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUIT_MS = 1500 }; /* the hand waits a second for the reply to QUIT */

/* ---- what a hand may say -----------------------------------------------------------------------
 */

/* One line of text that ends in NUL. */
static bool is_text(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)text[i]))
            return false;
    return len < size;
}

static bool is_ready(const struct wall_hop_ready *ready)
{
    return (ready->extensions & ~(uint32_t)HOP_EXTENSIONS) == 0 && ready->verified <= 1 &&
           is_text(ready->host, sizeof ready->host) &&
           is_text(ready->protocol, sizeof ready->protocol) &&
           is_text(ready->cipher, sizeof ready->cipher);
}

/* None with a code of 3xx. */
static bool is_status(const char *status, uint32_t code)
{
    struct slice text = slice_of(status);

    if (code == 0 || code / 100 == 3)
        return text.len == 0;
    return text.len > 0 && hop_status_len(text, code) == text.len;
}

static bool is_reply(const struct wall_hop_reply *reply)
{
    bool said = reply->fault == HOP_SAID;
    bool is_code = reply->code >= 200 && reply->code <= 599;

    return reply->step < HOP_STEPS && reply->step != HOP_CONNECT && reply->fault < HOP_FAULTS &&
           (is_code || (reply->code == 0 && !said)) &&
           is_text(reply->status, sizeof reply->status) &&
           is_text(reply->text, sizeof reply->text) && is_status(reply->status, reply->code);
}

/* May this be the answer to what was asked? The hop may have refused an earlier step. */
static bool is_due(const struct wall_hop_reply *reply, enum hop_step step)
{
    if (reply->fault != HOP_SAID || reply->step == step)
        return true;
    return (step == HOP_HELLO && reply->step == HOP_GREETING) ||
           ((step == HOP_RCPT || step == HOP_DATA) &&
            (reply->step == HOP_RESET || reply->step == HOP_MAIL));
}

/* ---- the wall ----------------------------------------------------------------------------------
 */

/* Ends it at once. */
static bool fail(struct hop *hop, enum hop_step step, const char *error,
                 struct hop_outcome *outcome)
{
    hop_outcome_fail(outcome, step, error);
    outcome->uncertain = hop->dotted;
    worker_end(&hop->hand, 0);
    return false;
}

static bool breach(struct hop *hop, enum hop_step step, const char *what,
                   struct hop_outcome *outcome)
{
    hop_log_breach(hop->path, what);
    return fail(hop, step, "the hand broke the rules", outcome);
}

static bool give_up(struct hop *hop, enum hop_step step, enum wait why, struct hop_outcome *outcome)
{
    fail(hop, step, why == WAIT_OVERTIME ? "no reply in time" : "given up", outcome);
    outcome->given_up = why != WAIT_OVERTIME;
    return false;
}

bool hop_hand_tell(struct hop *hop, size_t body_len, enum hop_step step, int64_t deadline,
                   struct hop_outcome *outcome)
{
    if (hop->hand.pid == 0)
        return fail(hop, step, "the connection was closed", outcome);
    enum wait wait = wait_for(hop->hand.wall, POLLOUT, deadline);
    if (wait != WAIT_READY)
        return give_up(hop, step, wait, outcome);
    if (wall_send(hop->hand.wall, &hop->hops->message, body_len) != 0 && errno != EPIPE &&
        errno != ECONNRESET) /* a hand that has gone has said why */
        return fail(hop, step, strerror(errno), outcome);
    return true;
}

/* A message of one of the two types. 1, 0 if the hand has gone, or -1: it is no longer there. */
static int receive(struct hop *hop, enum hop_step step, int64_t deadline,
                   struct hop_outcome *outcome)
{
    size_t ignored;
    enum wait wait = wait_for(hop->hand.wall, POLLIN, deadline);

    if (wait != WAIT_READY)
        return give_up(hop, step, wait, outcome) - 1;
    int got = wall_receive(hop->hand.wall, &hop->hops->message, &ignored);
    if (got < 0)
        return breach(hop, step, errno == EPROTO ? "malformed" : strerror(errno), outcome) - 1;
    return got;
}

static bool take_reply(struct hop *hop, enum hop_step step, struct hop_outcome *outcome)
{
    outcome->reply = hop->hops->message.hop_reply;
    if (!is_reply(&outcome->reply))
        return breach(hop, step, "reply", outcome);
    if (!is_due(&outcome->reply, step))
        return breach(hop, step, "out of order", outcome);
    hop_outcome_judge(outcome);
    bool last = outcome->reply.code == 421 && step != HOP_DOT; /* LMTP may have more replies */
    if (outcome->reply.fault != HOP_SAID || last)
        worker_end(&hop->hand, QUIT_MS); /* it ends by itself */
    return outcome->verdict == VERDICT_OK;
}

bool hop_hand_reply(struct hop *hop, enum hop_step step, int64_t deadline,
                    struct hop_outcome *outcome)
{
    if (hop->hand.pid == 0)
        return fail(hop, step, "the connection was closed", outcome);
    int got = receive(hop, step, deadline, outcome);
    if (got < 0)
        return false;
    if (got == 0)
        return fail(hop, step, "the hand has ended", outcome);
    if (hop->hops->message.type != WALL_HOP_REPLY)
        return breach(hop, step, "out of order", outcome);
    return take_reply(hop, step, outcome);
}

bool hop_hand_has_fault(const struct hop *hop)
{
    struct pollfd wall = {.fd = hop->hand.wall, .events = POLLIN};

    return poll(&wall, 1, 0) > 0;
}

bool hop_hand_reset(struct hop *hop)
{
    struct pollfd wall = {.fd = hop->hand.wall, .events = POLLIN | POLLOUT};

    if (hop->hand.pid == 0 || poll(&wall, 1, 0) != 1 || wall.revents != POLLOUT)
        return false;
    hop->hops->message.type = WALL_HOP_RESET;
    return wall_send(wall.fd, &hop->hops->message, 0) == 0;
}

/* ---- its life ----------------------------------------------------------------------------------
 */

static bool fork_hand(struct hop *hop, int64_t deadline)
{
    int fd = hop_connect(hop->path, deadline);
    const int fds[] = {[CONFINE_IN] = fd, [CONFINE_OUT] = fd, -1};
    const struct worker_task hand = {
        .fds = fds, .fds_len = CONFINE_FILTERS, .run = hand_run, .killed = EVENT_HAND_KILLED};

    if (fd < 0)
        return false;
    int result = worker_start(&hop->hand, &hand), error = errno;
    close(fd);
    errno = error;
    return result == 0;
}

/* Its name there has the id of the session here, so that both logs can be compared. */
static void write_hello(const struct hop *hop, struct wall_hop *hello)
{
    *hello = (struct wall_hop){.lmtp = hop->lmtp};
    snprintf(hello->hello, sizeof hello->hello, "%s.hop.%s", log_session_id(), hop->hops->hostname);
}

bool hop_hand_start(struct hop *hop, int64_t deadline, struct hop_outcome *outcome)
{
    struct wall_message *message = &hop->hops->message;

    if (!fork_hand(hop, deadline)) {
        hop_outcome_fail(outcome, HOP_CONNECT, strerror(errno));
        outcome->given_up = errno == ECANCELED;
        return false;
    }
    message->type = WALL_HOP;
    write_hello(hop, &message->hop);
    if (!hop_hand_tell(hop, 0, HOP_GREETING, deadline, outcome))
        return false;
    int got = receive(hop, HOP_GREETING, deadline, outcome);
    if (got < 0)
        return false;
    if (got == 0)
        return fail(hop, HOP_GREETING, "the hand has ended", outcome);
    if (message->type == WALL_HOP_REPLY) {
        if (take_reply(hop, HOP_HELLO, outcome))
            return breach(hop, HOP_HELLO, "out of order", outcome);
        hop_hand_end(hop);
        return false;
    }
    if (message->type != WALL_HOP_READY || !is_ready(&message->hop_ready))
        return breach(hop, HOP_HELLO, "greeting", outcome);
    hop->offers = message->hop_ready;
    return true;
}

void hop_hand_leave(struct hop *hop)
{
    if (hop->hand.pid != 0)
        shutdown(hop->hand.wall, SHUT_WR);
}

void hop_hand_end(struct hop *hop)
{
    hop_hand_leave(hop);
    worker_end(&hop->hand, QUIT_MS);
}
