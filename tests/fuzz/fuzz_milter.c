/*
 * The milter protocol of one filter in memory. The input is what a filter sends, whole packets and
 * pieces of them; a byte before each says which, or that the back asks for something, or that the
 * filter hangs up.
 *
 * Whatever a filter says: packets for it are well formed, each question of the back has one answer,
 * and replies and changes are of the form that the wall promises.
 */
#include "../../smtpd/base/field.h"
#include "../../smtpd/base/utf8.h"
#include "../../smtpd/hand/milter.h"
#include "fuzz.h"

static struct milter milter;
static struct milter_turn turn;
static struct wall_message message;
static char buffer[MILTER_BUFFER_SIZE];

static bool due;    /* an answer */
static bool failed; /* the last one had a fault */

/* ---- what comes out -------------------------------------------------------------------------- */

static size_t count(struct slice data, char byte)
{
    size_t found = 0;

    for (; slice_has(data, byte); slice_cut(&data, byte))
        found++;
    return found;
}

static void check_packet(char letter, struct slice data)
{
    bool ended = data.len > 0 && data.at[data.len - 1] == '\0';

    MUST(data.len <= MILTER_DATA_MAX && memchr("OCHMRTLNBEAQD", letter, 13) != NULL);
    if (letter == 'D')
        MUST(ended && data.len > 1 && count(data, '\0') % 2 == 0);
    if (letter == 'L')
        MUST(ended && count(data, '\0') == 2);
    if (memchr("CHMR", letter, 4) != NULL)
        MUST(ended || data.at[data.len - 1] == 'U');
    if (memchr("TNEAQ", letter, 5) != NULL)
        MUST(data.len == 0);
    if (letter == 'O')
        MUST(data.len == 12);
    else
        MUST(milter.negotiated);
    if (letter == 'B')
        while (slice_has(data, '\n'))
            MUST(slice_ends(slice_cut(&data, '\n'), "\r"));
}

static void check_output(void)
{
    struct slice output = {buffer, turn.output_len};
    uint32_t len;

    MUST(turn.output_len <= sizeof buffer && (turn.output_len == 0 || !failed));
    while (output.len > 0) {
        MUST(milter_take_number(&output, &len) && len > 0 && len <= output.len);
        check_packet(*output.at, (struct slice){output.at + 1, len - 1});
        output = slice_from(output, len);
    }
}

/* Lines of printable characters. */
static void check_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    uint32_t c;

    MUST(end != NULL);
    for (size_t len; text < end; text += len) {
        len = utf8_decode(text, (size_t)(end - text), &c);
        MUST(len > 0 && (c == '\r' || (c >= ' ' && (c < 0x7f || c >= 0xa0))));
    }
}

static void check_reply(const struct wall_milter_reply *reply)
{
    static const uint32_t classes[MILTER_ANSWERS] = {
        [MILTER_REJECT] = 5, [MILTER_TEMPFAIL] = 4, [MILTER_SHUTDOWN] = 4};

    MUST(due && milter.state == MILTER_QUIET);
    due = false;
    MUST(reply->filter == 5 && reply->answer < MILTER_ANSWERS && reply->fault < MILTER_FAULTS);
    MUST(reply->step > MILTER_SOCKET && reply->step < MILTER_STEPS && reply->step != MILTER_ABORT);
    MUST((reply->fault != MILTER_SAID) == turn.close && (!failed || turn.close));
    failed = turn.close;
    MUST(reply->fault == MILTER_SAID || reply->answer == MILTER_CONTINUE);
    check_text(reply->text, sizeof reply->text);
    MUST((reply->code == 0) == (reply->status[0] == '\0'));
    MUST(reply->code != 0 || reply->text[0] == '\0');
    if (reply->code == 0)
        return;
    MUST(reply->code / 100 == classes[reply->answer]);
    MUST((reply->answer == MILTER_SHUTDOWN) == (reply->code == 421));
    struct slice status = slice_of(reply->status);
    MUST(hop_status_len(status, reply->code) == status.len);
}

static void check_name(struct slice name)
{
    MUST(name.len > 0 && name.len <= FIELD_NAME_MAX);
    for (; name.len > 0; name = slice_from(name, 1))
        MUST(*name.at > ' ' && *name.at <= '~' && *name.at != ':');
}

static void check_value(enum milter_change kind, struct slice value)
{
    MUST(!slice_has(value, '\r'));
    if (kind == MILTER_BODY_PART)
        return;
    MUST(!slice_has(value, '\0'));
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        if (kind > MILTER_BODY_PART)
            MUST((unsigned char)c >= ' ' && c != 0x7f);
        else if (c == '\n')
            MUST(i + 1 < value.len && (value.at[i + 1] == ' ' || value.at[i + 1] == '\t'));
    }
    MUST(kind <= MILTER_BODY_PART || value.len < ADDRESS_TEXT_MAX);
}

static void check_change(const struct wall_milter_change *change)
{
    static const uint32_t actions[MILTER_CHANGES] = {0x1, 0x1, 0x10, 0x2, 0x84, 0x8, 0x40, 0x20};
    const size_t head = offsetof(struct wall_milter_change, strings);

    MUST(due && milter.state == MILTER_WAITING && milter.asked == MILTER_END);
    MUST(turn.body_len >= head && turn.body_len <= sizeof *change);
    MUST(change->filter == 5 && change->kind < MILTER_CHANGES && change->index < INT32_MAX);
    MUST((milter.actions & actions[change->kind]) != 0);
    MUST(change->kind != MILTER_CHANGE_FIELD || change->index > 0);
    struct slice strings = {change->strings, turn.body_len - head};
    MUST(change->name_len <= strings.len);
    if (change->kind <= MILTER_CHANGE_FIELD)
        check_name((struct slice){strings.at, change->name_len});
    else
        MUST(change->name_len == 0);
    check_value(change->kind, slice_from(strings, change->name_len));
}

static void carry_out(void)
{
    for (;;) {
        check_output();
        if (turn.send && message.type == WALL_MILTER_REPLY)
            check_reply(&message.milter_reply);
        else if (turn.send && message.type == WALL_MILTER_CHANGE)
            check_change(&message.milter_change);
        else
            MUST(!turn.send || (due && message.type == WALL_MILTER_PROGRESS));
        if (milter.state != MILTER_SENDING)
            break;
        size_t rest = milter.rest.len;
        milter_go(&milter, &turn);
        MUST(milter.rest.len < rest);
    }
    MUST((milter.state != MILTER_QUIET) == due);
}

/* ---- what goes in ---------------------------------------------------------------------------- */

static size_t put_strings(char *to, const char *strings, size_t len)
{
    memcpy(to, strings, len);
    return len;
}

static void make_event(uint8_t what)
{
    static const enum milter_step steps[] = {
        MILTER_CONNECT, MILTER_HELO, MILTER_MAIL, MILTER_RCPT, MILTER_DATA,  MILTER_EOH,
        MILTER_END,     MILTER_EOH,  MILTER_END,  MILTER_END,  MILTER_ABORT,
    };
    static const char connect[] = "h\0"
                                  "4\0"
                                  "25\0"
                                  "192.0.2.1",
                      unknown[] = "h\0U\0"
                                  "0\0";
    static const char macros[] = "i\0ID\0auth_type\0PLAIN\0j\0mx\0rcpt_addr\0a@b";
    struct wall_milter_event *event = &message.milter_event;
    char *at = event->strings;

    message.type = WALL_MILTER_EVENT;
    memset(event, 0, offsetof(struct wall_milter_event, strings));
    event->filter = 5;
    event->step = steps[what % (sizeof steps / sizeof steps[0])];
    event->refused = event->step == MILTER_RCPT && (what & 1);
    if (event->step == MILTER_CONNECT && (what & 1))
        at += put_strings(at, unknown, sizeof unknown);
    else if (event->step == MILTER_CONNECT)
        at += put_strings(at, connect, sizeof connect);
    else if (event->step <= MILTER_RCPT)
        at += put_strings(at, "<a@b>\0X=y", event->step == MILTER_HELO ? 6 : 10);
    event->arguments_len = (uint16_t)(at - event->strings);
    event->macros_len = (uint16_t)put_strings(at, macros, what & 2 ? sizeof macros : 0);
    turn.body_len =
        offsetof(struct wall_milter_event, strings) + event->arguments_len + event->macros_len;
}

static void ask(uint8_t what, struct input *input)
{
    size_t len;

    due = true;
    if (what < 0xd8) {
        make_event(what);
        due = message.milter_event.step != MILTER_ABORT;
    } else {
        const char *text = next_line(input, &len);
        message.type = what < 0xe0 ? WALL_MILTER_HEADER : WALL_MILTER_BODY;
        len = len < 1000 ? len : 1000;
        for (size_t i = 0; i < len; i++)
            message.text[i] = (char)(text[i] == '\0' || text[i] == '\r' ? '\n' : text[i]);
        message.text[len] = '\n';
        turn.body_len = len + 1;
        if ((what & 7) >= 6) { /* a large one, in one line or of empty lines */
            turn.body_len = WALL_TEXT_MAX;
            memset(message.text + len, what & 1 ? '\n' : 'x', WALL_TEXT_MAX - len);
        }
    }
    milter_request(&milter, &turn);
    carry_out();
}

/* Bytes of the filter, in pieces of at most so many. */
static void feed(const char *at, size_t len, size_t most)
{
    while (len > 0 && milter.state == MILTER_WAITING) {
        size_t piece = len < most ? len : most;
        char *bytes = malloc(piece); /* so that reading beyond it shows */
        MUST(bytes != NULL);
        memcpy(bytes, at, piece);
        for (size_t fed = 0; fed < piece && milter.state == MILTER_WAITING;) {
            size_t used = milter_feed(&milter, (struct slice){bytes + fed, piece - fed}, &turn);
            MUST(used > 0 && used <= piece - fed);
            fed += used;
            carry_out();
        }
        free(bytes);
        at += piece;
        len -= piece;
    }
}

static void send_packet(uint8_t how, struct input *input)
{
    static char packet[70000];
    size_t len;

    packet[4] = (char)next_byte(input);
    const char *data = next_bytes(input, next_byte(input), &len);
    memcpy(packet + 5, data, len);
    if (how & 0x40) { /* a long one */
        memset(packet + 5 + len, 'x', 60000 - len);
        len = 60000;
        packet[5 + len++] = '\0';
    }
    packet[0] = 0;
    packet[1] = (char)((len + 1) >> 16);
    packet[2] = (char)((len + 1) >> 8);
    packet[3] = (char)(len + 1);
    feed(packet, 5 + len, how & 0x20 ? 1 + (how & 0xfu) : sizeof packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct input input = {bytes, bytes + len};
    size_t piece;

    due = failed = false;
    turn = (struct milter_turn){.message = &message, .buffer = buffer};
    milter_begin(&milter, 5);
    while (input.at < input.end) {
        uint8_t how = next_byte(&input);
        if (how < 0x80) {
            send_packet(how, &input);
        } else if (how < 0xc0) {
            const char *at = next_bytes(&input, how - 0x80u, &piece);
            feed(at, piece, sizeof buffer);
        } else if (how < 0xfe) {
            if (milter.state == MILTER_QUIET)
                ask(how, &input);
        } else if (how == 0xfe && !failed) { /* asked, or when it is to be asked */
            due = true;
            milter_fail(&milter, MILTER_CLOSED, &turn);
            carry_out();
        } else {
            milter_quit(&milter, &turn);
            MUST(turn.close && (milter.state == MILTER_QUIET || turn.output_len == 0));
            check_output();
            break;
        }
    }
    return 0;
}
