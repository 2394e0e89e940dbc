#include "front.h"

#include "../base/clock.h"
#include "../confine/confine_worker.h"
#include "session.h"
#include "session_text.h"
#include "stream.h"
#include "tls.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#ifdef MAILSLOT_TEST_HOOK
#include "../../tests/hook.h"
#endif

/* The whole state of a front. Buffers: one for the client, one for the wall, and one for what other
 * servers say, which is touched only if they do. */
static struct front {
    struct stream stream;
    struct session session;
    struct step step;
    struct wall_settings settings;
    struct wall_message message;
    struct data data; /* of the message that is being read */
    bool in_text;     /* it is */
    char said[WALL_TEXT_MAX];
} front;

/* Why the back sends no more. A back that was stopped stays until we have ended. */
static enum end end_by_back(void)
{
    struct pollfd wall = {.fd = CONFINE_WALL};

    return poll(&wall, 1, 0) == 0 ? END_STOPPED : END_FAULT;
}

static enum end end_of(enum stream_result result)
{
    return result == STREAM_IDLE       ? END_IDLE
           : result == STREAM_OVERTIME ? END_TOO_LONG
           : result == STREAM_BACK     ? end_by_back()
                                       : END_CLOSED;
}

static void set_deadline(void)
{
    front.stream.wire.deadline = clock_ms() + front.stream.wire.patience;
}

static void send_end(enum end end)
{
    front.message.type = WALL_END;
    front.message.end =
        (struct wall_end){.end = end, .in_text = front.in_text, .bytes = front.stream.received};
    wall_send(CONFINE_WALL, &front.message, 0);
}

static void send_fault(enum verdict fault)
{
    front.message.type = WALL_REFUSED_TEXT;
    front.message.fault = fault;
    wall_send(CONFINE_WALL, &front.message, 0);
}

/* A message's rate is judged after a tenth of the idle timeout. A client slower than this is not on
 * a slow network: it is an attack, or of no use. */
static bool too_slow(int64_t began, uint64_t size)
{
    int64_t elapsed = clock_ms() - began;

    return elapsed > (int64_t)front.settings.session.idle_timeout * 100 &&
           size < (uint64_t)(elapsed / 1000) * front.settings.session.min_data_rate;
}

/* Sends what is ready of a message's text. If that fails, there must be no commit. */
static int send_text(size_t *len)
{
    front.message.type = WALL_TEXT;
    if (*len > 0 && wall_send(CONFINE_WALL, &front.message, *len) != 0)
        return -1;
    *len = 0;
    return 0;
}

/* Waits for more of a message. taken: bytes of it so far; left: bytes to come. What has arrived
 * is in *bytes. False: the session is over. */
static bool await_text(int64_t began, uint64_t taken, uint64_t left, struct slice *bytes)
{
    set_deadline();
    enum stream_result result = stream_peek(&front.stream, bytes);
    bool good = result == STREAM_OK && !too_slow(began, taken + bytes->len);

    if (!good)
        session_end(result == STREAM_OK ? END_TOO_SLOW : end_of(result), &front.step);
    else if (bytes->len > left)
        bytes->len = (size_t)left;
    return good;
}

/* Reads a message's text, at most so many bytes of it, and passes it on. False: the session is
 * over. */
static bool read_text(uint64_t most, bool last)
{
    struct data *data = &front.data;
    struct slice bytes;
    size_t made, len = 0;
    int64_t began = clock_ms();

    for (uint64_t taken = 0; taken < most && data->state != DATA_COMPLETE;) {
        if (!await_text(began, taken, most - taken, &bytes)) {
            if (data->fault == VERDICT_OK) /* the log tells how much arrived */
                send_text(&len);
            return false;
        }
        if (bytes.len + 1 >= sizeof front.message.text - len && send_text(&len) != 0) {
            session_end(END_FAULT, &front.step);
            return false;
        }
        size_t fed = data_feed(data, bytes.at, bytes.len, front.message.text + len, &made);
        stream_take(&front.stream, fed);
        taken += fed;
        len = data->fault == VERDICT_OK ? len + made : 0;
    }
    if (last && data->state != DATA_COMPLETE)
        len += data_end(data, front.message.text + len);
    if (data->fault == VERDICT_OK && send_text(&len) != 0) {
        session_end(END_FAULT, &front.step);
        return false;
    }
    return true;
}

static void read_message(void)
{
    struct step *step = &front.step;
    bool chunk = step->read == STEP_READ_CHUNK, last = !chunk || step->last;

    if (!chunk || step->first)
        data_begin(&front.data, chunk, session_newlines(&front.session, chunk),
                   front.settings.session.max_message_size, front.settings.session.max_received);
    front.in_text = true;
    if (!read_text(chunk ? step->chunk : UINT64_MAX, last))
        return;
    front.in_text = false;
    enum verdict fault = front.data.fault;
    if (fault != VERDICT_OK)
        send_fault(fault);
    if (last)
        session_text_end(&front.session, fault, step);
    else
        session_chunk_end(&front.session, fault, step);
}

/* Skips a chunk that was refused, so that it is not read as commands. */
static void skip_chunk(void)
{
    int64_t began = clock_ms();
    struct slice bytes;

    for (uint64_t taken = 0; taken < front.step.chunk; taken += bytes.len) {
        if (!await_text(began, taken, front.step.chunk - taken, &bytes))
            return;
        stream_take(&front.stream, bytes.len);
    }
    step_clear(&front.step);
}

/* Waits for the answer of the back, as wall_receive() does. */
static int receive_answer(void)
{
    size_t len;
    int got;

    session_said(&front.session, (struct slice){0});
    while ((got = wall_receive(CONFINE_WALL, &front.message, &len)) == 1 &&
           front.message.type == WALL_SAID) {
        memcpy(front.said, front.message.text, len);
        session_said(&front.session, (struct slice){front.said, len});
    }
    return got;
}

/* Carries out a step, and those that follow from it without a new line from the client. */
static void carry_out(void)
{
    struct step *step = &front.step;

    for (;;) {
        if (step->send && wall_send(CONFINE_WALL, step->message, 0) != 0)
            session_end(END_FAULT, step);
        if (step->secret) {
            explicit_bzero(&step->message->sasl, sizeof step->message->sasl);
            stream_wipe(&front.stream);
        }
        stream_write(&front.stream, step->reply, step->reply_len);
        if (step->close)
            return;
        if (step->send && step->wait) {
            int got = receive_answer();
            if (got == 1)
                session_answer(&front.session, step->message, step);
            else
                session_end(got == 0 ? end_by_back() : END_FAULT, step);
        } else if (step->read == STEP_SKIP_CHUNK) {
            skip_chunk();
        } else if (step->read != STEP_READ_NOTHING) {
            read_message();
        } else if (step->more) {
            session_more(&front.session, step);
        } else {
            return;
        }
    }
}

static void next_line(void)
{
    static const enum reply bad_lines[] = {
        [STREAM_LONG] = REPLY_LINE_TOO_LONG,
        [STREAM_BARE] = REPLY_LINE_BARE,
        [STREAM_NUL] = REPLY_LINE_NUL,
    };
    size_t max = front.session.in_auth ? STREAM_SASL_MAX : STREAM_LINE_MAX;
    struct slice line;

    set_deadline();
    enum stream_result result = stream_line(&front.stream, max, &line);
    if (result == STREAM_OK)
        session_line(&front.session, line, &front.step);
    else if (result == STREAM_TLS)
        session_unexpected_tls(&front.session, &front.step);
    else if (result >= STREAM_LONG)
        session_bad_line(&front.session, bad_lines[result], line, &front.step);
    else
        session_end(end_of(result), &front.step);
}

static bool receive(enum wall_type type)
{
    size_t ignored;

    return wall_receive(CONFINE_WALL, &front.message, &ignored) == 1 && front.message.type == type;
}

/* The handshake comes before anything else, and the session after it knows nothing of an earlier
 * one (RFC 3207 section 4.2). It has as much time as a command, from its first byte to its last. */
static void secure(struct gnutls_priority_st *priority)
{
    set_deadline();
    enum wire_result result =
        tls_begin(&front.stream.tls, &front.stream.wire, priority, &front.settings, &front.message);
    explicit_bzero(front.settings.ticket_key, sizeof front.settings.ticket_key);
    if (result != WIRE_OK) {
        if (result == WIRE_CLOSED || result == WIRE_IDLE)
            wall_send(CONFINE_WALL, &front.message, 0);
        else
            send_end(end_of((enum stream_result)result));
        wire_linger(&front.stream.wire, true);
        _exit(0);
    }
    front.message.type = WALL_SECURED;
    tls_secured(front.stream.tls, &front.message.secured);
    if (wall_send(CONFINE_WALL, &front.message, 0) != 0 || !receive(WALL_MECHANISMS))
        _exit(0);
    front.settings.mechanisms = front.message.mechanisms;
}

static void begin(struct gnutls_priority_st *priority)
{
    struct wire *wire = &front.stream.wire;

    wire->in = CONFINE_IN;
    wire->out = CONFINE_OUT;
    wire->wall = CONFINE_WALL;
    wire->patience = (int64_t)front.settings.session.idle_timeout * 1000;
    wire->session_deadline = clock_ms() + (int64_t)front.settings.session.session_timeout * 1000;
    if (front.settings.secure)
        secure(priority);
    front.step.message = &front.message;
    session_begin(&front.session, &front.settings, &front.step);
}

/* The last reply to the client; and for the back, why. */
static _Noreturn void end(void)
{
    enum end end = front.step.end;

    stream_flush(&front.stream);
    send_end(front.stream.wire.timed_out ? END_IDLE : front.stream.wire.broken ? END_CLOSED : end);
    if (end != END_HANDED_OVER) /* else what the client sent ahead in clear is lost with this
                                   process, as it should be */
        stream_close(&front.stream, end != END_QUIT && end != END_CLOSED);
    _exit(0);
}

_Noreturn void front_run(struct gnutls_priority_st *tls)
{
#ifdef MAILSLOT_TEST_HOOK
    hook_run("MAILSLOT_TEST_HOOK", CONFINE_OUT);
#endif
    if (!receive(WALL_SETTINGS))
        _exit(0);
    front.settings = front.message.settings;
    begin(tls);
    for (;;) {
        carry_out();
        if (front.step.close)
            end();
        next_line();
    }
}
