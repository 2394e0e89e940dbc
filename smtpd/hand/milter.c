#include "milter.h"

#include "milter_change.h"
#include "milter_reply.h"
#include "milter_send.h"
#include "milter_text.h"

#include <string.h>

static void clear(struct milter_turn *turn)
{
    turn->output_len = 0;
    turn->send = turn->close = false;
}

void milter_begin(struct milter *milter, uint32_t number)
{
    memset(milter, 0, sizeof *milter);
    milter->number = number;
    milter->at = milter->within = MILTER_IDLE;
}

void milter_give_up(struct milter *milter)
{
    milter->failed = true;
    milter->state = MILTER_QUIET;
}

/* ---- answers to the back --------------------------------------------------------------------- */

/* Begins an answer, in place of what the back has asked. */
static struct wall_milter_reply *answer(struct milter *milter, enum milter_step step,
                                        struct milter_turn *turn)
{
    struct wall_milter_reply *reply = &turn->message->milter_reply;

    turn->message->type = WALL_MILTER_REPLY;
    memset(reply, 0, sizeof *reply);
    reply->filter = milter->number;
    reply->step = step;
    milter->state = MILTER_QUIET;
    milter->within = MILTER_IDLE;
    turn->send = true;
    return reply;
}

static void answer_by(struct milter *milter, enum milter_answer by, struct milter_turn *turn)
{
    answer(milter, milter->asked, turn)->answer = by;
    if (by == MILTER_CONTINUE)
        milter->within = milter->asked;
}

static void answer_fault(struct milter *milter, enum milter_step step, enum milter_fault fault,
                         struct milter_turn *turn)
{
    answer(milter, step, turn)->fault = fault;
    milter->failed = turn->close = true;
}

void milter_fail(struct milter *milter, enum milter_fault fault, struct milter_turn *turn)
{
    clear(turn);
    answer_fault(milter, milter->state == MILTER_QUIET ? MILTER_IDLE : milter->at, fault, turn);
}

/* ---- what the back asks ---------------------------------------------------------------------- */

/* Steps of a message come in their order; the others at any time. */
static bool is_in_order(const struct milter *milter)
{
    static const uint32_t after[MILTER_STEPS] = {
        [MILTER_HEADER] = 1 << MILTER_DATA | 1 << MILTER_HEADER,
        [MILTER_EOH] = 1 << MILTER_DATA | 1 << MILTER_HEADER,
        [MILTER_BODY] = 1 << MILTER_EOH | 1 << MILTER_BODY,
        [MILTER_END] = 1 << MILTER_EOH | 1 << MILTER_BODY,
    };

    return after[milter->asked] == 0 || (after[milter->asked] & 1U << milter->within) != 0;
}

/* Sends what is asked, or the next part of it. */
static void proceed(struct milter *milter, struct milter_turn *turn)
{
    bool is_text = milter->asked == MILTER_HEADER || milter->asked == MILTER_BODY;

    milter->at = milter->asked;
    bool replies = is_text ? milter_send_text(milter, turn) : milter_send_event(milter, turn);
    if (replies)
        milter->state = MILTER_WAITING;
    else if (is_text && milter->rest.len > 0)
        milter->state = MILTER_SENDING;
    else if (milter->asked != MILTER_ABORT)
        answer_by(milter, MILTER_CONTINUE, turn);
    else
        milter->state = MILTER_QUIET;
}

/* Notes what the back asks. False: its form is wrong, or it may not come now. */
static bool take_request(struct milter *milter, const struct milter_turn *turn)
{
    const struct wall_message *message = turn->message;

    milter->rest = (struct slice){message->text, turn->body_len};
    if (message->type == WALL_MILTER_EVENT) {
        if (!milter_send_is_event(&message->milter_event, turn->body_len))
            return false;
        milter->asked = message->milter_event.step;
    } else {
        milter->asked = message->type == WALL_MILTER_HEADER ? MILTER_HEADER : MILTER_BODY;
    }
    return is_in_order(milter);
}

void milter_request(struct milter *milter, struct milter_turn *turn)
{
    clear(turn);
    bool good = take_request(milter, turn), abort = milter->asked == MILTER_ABORT;
    if (abort)
        milter->within = MILTER_IDLE;
    if (good && abort && (milter->failed || !milter->negotiated))
        return;
    milter_packet_begin(&milter->packet);
    milter->in_body = milter->body_ended = milter->cr = false;
    bool skip = milter->skipped == milter->asked;
    if (milter->failed) {
        answer_fault(milter, MILTER_IDLE, MILTER_CLOSED, turn);
    } else if (!good) {
        answer_fault(milter, MILTER_IDLE, MILTER_DISORDER, turn);
    } else if (skip) {
        answer_by(milter, MILTER_CONTINUE, turn);
    } else if (milter->negotiated) {
        milter->skipped = MILTER_SOCKET;
        proceed(milter, turn);
    } else {
        milter_send_negotiation(turn);
        milter->at = MILTER_NEGOTIATE;
        milter->state = MILTER_WAITING;
    }
}

void milter_go(struct milter *milter, struct milter_turn *turn)
{
    clear(turn);
    proceed(milter, turn);
}

void milter_quit(struct milter *milter, struct milter_turn *turn)
{
    clear(turn);
    if (milter->negotiated && !milter->failed && milter->state == MILTER_QUIET)
        milter_send_letter('Q', turn);
    turn->close = true;
}

/* ---- what the filter says -------------------------------------------------------------------- */

/* Versions before 2 have no steps. */
static void take_negotiation(struct milter *milter, char letter, struct slice data,
                             struct milter_turn *turn)
{
    bool good =
        letter == 'O' && milter_take_number(&data, &milter->version) &&
        milter_take_number(&data, &milter->actions) &&
        ((milter->version < 2 && data.len == 0) || milter_take_number(&data, &milter->steps)) &&
        milter->version > 0 && milter->version <= MILTER_VERSION &&
        (milter->actions & ~(uint32_t)MILTER_ALL_ACTIONS) == 0 &&
        (milter->steps & ~(uint32_t)MILTER_ALL_STEPS) == 0 &&
        milter_macros_read(&milter->macros, data);

    if (!good) {
        answer_fault(milter, MILTER_NEGOTIATE, MILTER_REFUSED, turn);
        return;
    }
    milter->negotiated = true;
    proceed(milter, turn);
}

/* After CONTINUE or SKIP: sends the next part of the text, if there is one and it is wanted. */
static void go_on(struct milter *milter, bool skip, struct milter_turn *turn)
{
    if (skip)
        milter->skipped = milter->asked;
    if (!skip && milter->rest.len > 0 &&
        (milter->asked == MILTER_HEADER || milter->asked == MILTER_BODY))
        proceed(milter, turn);
    else
        answer_by(milter, MILTER_CONTINUE, turn);
}

static void take_reply(struct milter *milter, struct slice data, struct milter_turn *turn)
{
    struct wall_milter_reply *reply = answer(milter, milter->asked, turn);

    if (!milter_reply_read(data, reply))
        answer_fault(milter, milter->at, MILTER_MALFORMED, turn);
}

static void take_change(struct milter *milter, char letter, struct slice data,
                        struct milter_turn *turn)
{
    struct wall_milter_change *change = &turn->message->milter_change;
    size_t len;

    if (!milter_change_is_due(letter, milter->actions) ||
        !milter_change_read(letter, data, milter->steps & MILTER_LEADING_SPACE, change, &len)) {
        answer_fault(milter, milter->at, MILTER_BAD_CHANGE, turn);
        return;
    }
    turn->message->type = WALL_MILTER_CHANGE;
    change->filter = milter->number;
    turn->body_len = offsetof(struct wall_milter_change, strings) + len;
    turn->send = true;
}

/* A part of a new body. Nothing else may come between its parts. */
static void take_body(struct milter *milter, struct slice data, struct milter_turn *turn)
{
    struct wall_milter_change *change = &turn->message->milter_change;
    size_t len;

    if (!(milter->actions & MILTER_MAY_CHANGE_BODY) || milter->body_ended ||
        !milter_text_decode(data, &milter->cr, change->strings, &len)) {
        answer_fault(milter, milter->at, MILTER_BAD_CHANGE, turn);
        return;
    }
    milter->in_body = true;
    turn->message->type = WALL_MILTER_CHANGE;
    change->filter = milter->number;
    change->kind = MILTER_BODY_PART;
    change->index = change->name_len = 0;
    turn->body_len = offsetof(struct wall_milter_change, strings) + len;
    turn->send = true;
}

/* A reply without data. False: it is not one, or may not come at this step. */
static bool take_word(struct milter *milter, char letter, struct milter_turn *turn)
{
    static const char letters[] = "art4d";
    static const enum milter_answer answers[] = {MILTER_ACCEPT, MILTER_REJECT, MILTER_TEMPFAIL,
                                                 MILTER_SHUTDOWN, MILTER_DISCARD};
    const char *at = memchr(letters, letter, sizeof letters - 1);

    if (letter == 'c' || letter == 's') {
        go_on(milter, letter == 's', turn);
    } else if (letter == 'f') {
        answer_fault(milter, milter->at, MILTER_CLOSED, turn);
    } else if (at != NULL) {
        answer_by(milter, answers[at - letters], turn);
    } else {
        return false;
    }
    return true;
}

/* A packet is whole, or the buffer is full of it. */
static void take_packet(struct milter *milter, char letter, struct slice data, bool whole,
                        struct milter_turn *turn)
{
    bool at_end = milter->at == MILTER_END;

    if (milter->at == MILTER_NEGOTIATE) {
        take_negotiation(milter, letter, data, turn);
        return;
    }
    if (letter == MILTER_LETTER_BODY && at_end) {
        take_body(milter, data, turn);
        return;
    }
    if (letter == 'p' && whole && data.len == 0) { /* also amid a new body */
        turn->message->type = WALL_MILTER_PROGRESS;
        turn->send = true;
        return;
    }
    milter->body_ended = milter->in_body;
    if (!whole || milter->cr)
        answer_fault(milter, milter->at, MILTER_MALFORMED, turn);
    else if (letter == 'y')
        take_reply(milter, data, turn);
    else if (at_end && milter_change_is(letter))
        take_change(milter, letter, data, turn);
    else if (data.len > 0 || !take_word(milter, letter, turn))
        answer_fault(milter, milter->at, MILTER_MALFORMED, turn);
}

size_t milter_feed(struct milter *milter, struct slice bytes, struct milter_turn *turn)
{
    enum milter_packet_result result;

    clear(turn);
    size_t read = milter_packet_feed(&milter->packet, bytes, turn->buffer, &result);
    char letter = milter_packet_letter(&milter->packet);
    struct slice data = {turn->buffer, milter->packet.len};
    if (result == MILTER_PACKET_MALFORMED)
        answer_fault(milter, milter->at,
                     milter->at == MILTER_NEGOTIATE ? MILTER_REFUSED : MILTER_MALFORMED, turn);
    else if (result != MILTER_PACKET_PART)
        take_packet(milter, letter, data, result == MILTER_PACKET_WHOLE, turn);
    if (result == MILTER_PACKET_WHOLE)
        milter_packet_begin(&milter->packet);
    bool more_is_due = milter->state == MILTER_WAITING && turn->output_len == 0;
    if (read < bytes.len && !more_is_due && !turn->close) { /* sent without being asked */
        clear(turn);
        answer_fault(milter, milter->at, MILTER_MALFORMED, turn);
    }
    return read;
}
