#include "milter_talk.h"

#include "../base/clock.h"
#include "milter_log.h"
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { QUIT_MS = 1500 }; /* the hand only has to send QUIT */

/* ---- what a hand may say -----------------------------------------------------------------------
 */

/* A code is of the answer's class. */
static bool is_code(const struct wall_milter_reply *reply)
{
    if (reply->code == 0)
        return true;
    if (reply->answer == MILTER_REJECT)
        return reply->code / 100 == 5;
    if (reply->answer == MILTER_TEMPFAIL)
        return reply->code / 100 == 4;
    return reply->answer == MILTER_SHUTDOWN && reply->code == 421;
}

/* There is a status if, and only if, there is a code. */
static bool is_status(const struct wall_milter_reply *reply)
{
    size_t len = strnlen(reply->status, sizeof reply->status);
    struct slice status = {reply->status, len};

    if (len == sizeof reply->status || reply->code == 0)
        return len == 0;
    return len > 0 && hop_status_len(status, reply->code) == len;
}

/* Lines of text, separated by CR, if there is a code. */
static bool is_text(const struct wall_milter_reply *reply)
{
    size_t len = strnlen(reply->text, sizeof reply->text);

    for (size_t i = 0; i < len; i++)
        if ((reply->text[i] >= '\0' && reply->text[i] < ' ' && reply->text[i] != '\r') ||
            reply->text[i] == '\x7f')
            return false;
    return len < sizeof reply->text && (len == 0 || reply->code != 0);
}

static bool is_reply(const struct wall_milter_reply *reply)
{
    return reply->step < MILTER_STEPS && reply->step != MILTER_SOCKET &&
           reply->fault < MILTER_FAULTS && reply->answer < MILTER_ANSWERS && is_code(reply) &&
           is_status(reply) && is_text(reply);
}

/* Is it the answer to this step? Faults may belong to another one, such as the negotiation. */
static bool is_due(const struct wall_milter_reply *reply, enum milter_step step)
{
    return reply->fault != MILTER_SAID || reply->step == step;
}

/* ---- failures ----------------------------------------------------------------------------------
 */

static bool fail(struct milters *milters, const struct milter_question *question, const char *error)
{
    milters->all[question->number].state = FILTER_FAILED;
    milter_outcome_fail(&milters->outcome, question->step, error);
    return false;
}

/* The hand cannot be used any more, for any filter. */
static bool fail_all(struct milters *milters, const struct milter_question *question,
                     const char *error)
{
    worker_end(&milters->hand, 0);
    return fail(milters, question, error);
}

static bool breach(struct milters *milters, const struct milter_question *question,
                   const char *what)
{
    milter_log_breach(milters->all[question->number].path, what);
    return fail_all(milters, question, "the hand broke the rules");
}

static bool give_up(struct milters *milters, const struct milter_question *question, enum wait why)
{
    bool slow = why == WAIT_OVERTIME;

    fail(milters, question, slow ? "no reply in time" : "given up");
    if (slow)
        milters->all[question->number].state = FILTER_TOO_SLOW;
    milters->outcome.given_up = !slow;
    return false;
}

/* ---- the exchange ------------------------------------------------------------------------------
 */

static int64_t deadline(const struct milters *milters, const struct milter_question *question)
{
    int64_t due = clock_ms() + (int64_t)milters->settings->milter_timeout * 1000;

    return due < question->end ? due : question->end;
}

static bool tell(struct milters *milters, const struct milter_question *question)
{
    enum wait wait = wait_for(milters->hand.wall, POLLOUT, deadline(milters, question));

    if (wait == WAIT_OVERTIME)
        return fail_all(milters, question, "the hand does not listen");
    if (wait != WAIT_READY)
        return give_up(milters, question, wait);
    if (wall_send(milters->hand.wall, &milters->message, question->body_len) != 0)
        return fail_all(milters, question, strerror(errno));
    return true;
}

/* Receives the next message. Returns false if none came; the outcome says why. */
static bool receive(struct milters *milters, const struct milter_question *question, int64_t until,
                    size_t *body_len)
{
    enum wait wait = wait_for(milters->hand.wall, POLLIN, until);

    if (wait != WAIT_READY)
        return give_up(milters, question, wait);
    int got = wall_receive(milters->hand.wall, &milters->message, body_len);
    if (got < 0)
        return breach(milters, question, errno == EPROTO ? "malformed" : strerror(errno));
    return got > 0 || fail_all(milters, question, "the hand has ended");
}

/* Is it about a filter that was given up? */
static bool is_late(const struct milters *milters, const struct milter_question *question,
                    uint32_t number)
{
    return number < milters->count && number != question->number &&
           milters->all[number].state >= FILTER_FAILED;
}

static bool apply(struct milters *milters, const struct milter_question *question, size_t body_len)
{
    struct milter_edit edit;

    if (question->changes == NULL || milters->message.milter_change.filter != question->number ||
        !milter_edit_read(&milters->message.milter_change, body_len, &edit))
        return breach(milters, question, "change");
    const char *error = question->changes->change(question->changes->context, &edit);
    return error == NULL || fail(milters, question, error);
}

static bool take_reply(struct milters *milters, const struct milter_question *question)
{
    struct milter_outcome *outcome = &milters->outcome;
    const struct wall_milter_reply *reply = &milters->message.milter_reply;

    if (reply->filter != question->number || !is_reply(reply))
        return breach(milters, question, "reply");
    if (!is_due(reply, question->step))
        return breach(milters, question, "out of order");
    outcome->reply = *reply;
    milter_outcome_judge(outcome);
    if (outcome->failed)
        milters->all[question->number].state = FILTER_FAILED;
    return !outcome->failed;
}

static bool answer(struct milters *milters, const struct milter_question *question)
{
    const struct wall_message *message = &milters->message;
    int64_t until = deadline(milters, question);
    size_t body_len;

    while (receive(milters, question, until, &body_len)) {
        if (message->type == WALL_MILTER_PROGRESS) {
            until = deadline(milters, question);
        } else if (message->type == WALL_MILTER_CHANGE) {
            bool late = is_late(milters, question, message->milter_change.filter);
            if (!late && !apply(milters, question, body_len))
                return false;
        } else if (message->type != WALL_MILTER_REPLY) {
            return breach(milters, question, "out of order");
        } else if (!is_late(milters, question, message->milter_reply.filter)) {
            return take_reply(milters, question);
        }
    }
    return false;
}

bool milter_talk(struct milters *milters, const struct milter_question *question)
{
    int64_t begun = clock_ms();

    milters->outcome.number = question->number;
    if (milters->hand.pid == 0)
        return fail(milters, question, "the connection was closed");
    if (begun >= question->end)
        return fail(milters, question, "other filters left it no time");
    bool answered = tell(milters, question) && answer(milters, question);
    milters->waited_ms += clock_ms() - begun;
    return answered;
}

void milter_talk_abort(struct milters *milters, size_t number)
{
    struct pollfd wall = {.fd = milters->hand.wall, .events = POLLOUT};
    struct wall_message *message = &milters->message;
    const size_t len = offsetof(struct wall_milter_event, strings);

    memset(message, 0, offsetof(struct wall_message, text) + len);
    message->type = WALL_MILTER_EVENT;
    message->milter_event.filter = (uint32_t)number;
    message->milter_event.step = MILTER_ABORT;
    if (milters->hand.pid == 0)
        return;
    if (poll(&wall, 1, 0) != 1 || wall.revents != POLLOUT || wall_send(wall.fd, message, len) != 0)
        worker_end(&milters->hand, 0);
}

void milter_talk_end(struct milters *milters)
{
    if (milters->hand.pid != 0)
        shutdown(milters->hand.wall, SHUT_WR);
    worker_end(&milters->hand, QUIT_MS);
}
