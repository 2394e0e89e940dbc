#include "milter_send.h"

#include "milter_text.h"

#include <string.h>

static const struct kind {
    char letter;
    uint32_t version;          /* the first one that knows it */
    uint32_t unwanted, silent; /* the filter's bits: it is not sent; it is not replied to */
} kinds[MILTER_STEPS] = {
    [MILTER_CONNECT] = {'C', 1, MILTER_NO_CONNECT, MILTER_NR_CONNECT},
    [MILTER_HELO] = {'H', 1, MILTER_NO_HELO, MILTER_NR_HELO},
    [MILTER_MAIL] = {'M', 1, MILTER_NO_MAIL, MILTER_NR_MAIL},
    [MILTER_RCPT] = {'R', 1, MILTER_NO_RCPT, MILTER_NR_RCPT},
    [MILTER_DATA] = {'T', 4, MILTER_NO_DATA, MILTER_NR_DATA},
    [MILTER_HEADER] = {'L', 1, MILTER_NO_HEADER, MILTER_NR_HEADER},
    [MILTER_EOH] = {'N', 1, MILTER_NO_EOH, MILTER_NR_EOH},
    [MILTER_BODY] = {'B', 1, MILTER_NO_BODY, MILTER_NR_BODY},
    [MILTER_END] = {'E', 1, 0, 0},
    [MILTER_ABORT] = {'A', 1, 0, 0},
};

static bool replies(const struct milter *milter, enum milter_step step)
{
    return step != MILTER_ABORT && (milter->steps & kinds[step].silent) == 0;
}

static struct milter_output begin(struct milter_turn *turn)
{
    return (struct milter_output){.at = turn->buffer, .size = MILTER_BUFFER_SIZE};
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool ends_in_nul(const char *strings, size_t len)
{
    return len == 0 || strings[len - 1] == '\0';
}

bool milter_send_is_event(const struct wall_milter_event *event, size_t body_len)
{
    const size_t head = offsetof(struct wall_milter_event, strings);

    if (body_len < head)
        return false;
    size_t arguments = event->arguments_len, macros = event->macros_len;
    return arguments + macros == body_len - head && arguments + macros <= MILTER_EVENT_MAX &&
           event->step < MILTER_STEPS && kinds[event->step].letter != '\0' &&
           event->step != MILTER_HEADER && event->step != MILTER_BODY &&
           ends_in_nul(event->strings, arguments) &&
           ends_in_nul(event->strings + arguments, macros);
}

void milter_send_letter(char letter, struct milter_turn *turn)
{
    struct milter_output output = begin(turn);

    milter_output_begin(&output, letter);
    milter_output_end(&output);
    turn->output_len = output.len;
}

void milter_send_negotiation(struct milter_turn *turn)
{
    struct milter_output output = begin(turn);

    milter_output_begin(&output, 'O');
    milter_output_number(&output, MILTER_VERSION);
    milter_output_number(&output, MILTER_ALL_ACTIONS);
    milter_output_number(&output, MILTER_ALL_STEPS);
    milter_output_end(&output);
    turn->output_len = output.len;
}

/* Host name, family, port, address; of an unknown family, only the first two. */
static void write_connect(struct slice arguments, struct milter_output *output)
{
    struct slice host, family, port, address;
    uint64_t number = 0;

    if (!milter_take_string(&arguments, &host) || !milter_take_string(&arguments, &family))
        return;
    milter_output_string(output, host);
    milter_output_bytes(output, family.at, family.len > 0);
    if (slice_is(family, "U") || !milter_take_string(&arguments, &port) ||
        !milter_take_string(&arguments, &address))
        return;
    slice_number(port, &number);
    const char bytes[] = {(char)(number >> 8), (char)number};
    milter_output_bytes(output, bytes, sizeof bytes);
    milter_output_string(output, address);
}

/* As in Postfix, macros are sent with an event that the filter does not want, too: those of
 * connect, for example, are of use later. */
bool milter_send_event(const struct milter *milter, struct milter_turn *turn)
{
    const struct wall_milter_event *event = &turn->message->milter_event;
    const struct slice arguments = {event->strings, event->arguments_len};
    const struct slice macros = {event->strings + event->arguments_len, event->macros_len};
    const struct kind *kind = &kinds[event->step];
    bool wanted = (milter->steps & kind->unwanted) == 0;
    struct milter_output output = begin(turn);

    if (milter->version < kind->version || (event->refused && !(milter->steps & MILTER_RCPT_REJ)))
        return false;
    if (wanted || event->step != MILTER_EOH)
        milter_macros_write(&milter->macros, event->step, kind->letter, macros, &output);
    if (wanted) {
        milter_output_begin(&output, kind->letter);
        if (event->step == MILTER_CONNECT)
            write_connect(arguments, &output);
        else
            milter_output_bytes(&output, arguments.at, arguments.len);
        milter_output_end(&output);
    }
    turn->output_len = output.len;
    return wanted && replies(milter, event->step);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* The name, and the value after the colon. False: it is not a field. */
static bool split_field(struct slice field, bool leading_space, struct slice *name,
                        struct slice *value)
{
    *name = slice_until(field, ':');
    if (name->len == 0 || name->len == field.len)
        return false;
    *value = slice_from(field, name->len + 1);
    *name = slice_trim(*name);
    if (!leading_space && slice_begins(*value, " "))
        *value = slice_from(*value, 1);
    return true;
}

/* A field that is too long for a packet is cut. */
static void write_field(struct slice name, struct slice value, struct milter_output *output)
{
    enum { LONGEST = MILTER_DATA_MAX - 2 };

    name = slice_until(name, '\0');
    value = slice_until(value, '\0');
    if (name.len > LONGEST)
        name.len = LONGEST;
    if (value.len > LONGEST - name.len)
        value.len = LONGEST - name.len;
    milter_output_begin(output, 'L');
    milter_output_string(output, name);
    milter_output_string(output, value);
    milter_output_end(output);
}

static bool send_fields(struct milter *milter, struct milter_turn *turn)
{
    bool in_turn = replies(milter, MILTER_HEADER);
    struct milter_output output = begin(turn);
    struct slice name, value;

    while (milter->rest.len > 0 && !(in_turn && output.len > 0)) {
        struct slice rest = milter->rest, field = milter_text_cut_field(&rest);
        if (output.len > 0 && field.len + MILTER_HEAD + 2 > output.size - output.len)
            break;
        milter->rest = rest;
        if (split_field(field, milter->steps & MILTER_LEADING_SPACE, &name, &value))
            write_field(name, value, &output);
    }
    turn->output_len = output.len;
    return in_turn && output.len > 0;
}

static bool send_body(struct milter *milter, struct milter_turn *turn)
{
    struct milter_output output = begin(turn);
    size_t len;

    milter_output_begin(&output, 'B');
    size_t read = milter_text_encode(milter->rest, output.at + output.len, MILTER_DATA_MAX, &len);
    output.len += len;
    milter_output_end(&output);
    milter->rest = slice_from(milter->rest, read);
    turn->output_len = output.len;
    return replies(milter, MILTER_BODY);
}

bool milter_send_text(struct milter *milter, struct milter_turn *turn)
{
    if (milter->steps & kinds[milter->asked].unwanted) {
        milter->rest.len = 0;
        return false;
    }
    return milter->asked == MILTER_HEADER ? send_fields(milter, turn) : send_body(milter, turn);
}
