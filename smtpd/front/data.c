#include "data.h"

#include <string.h>

void data_begin(struct data *data, bool chunked, enum data_newlines newlines, uint64_t max_size,
                uint64_t max_received)
{
    *data = (struct data){
        .state = DATA_LINE,
        .chunked = chunked,
        .ended = true,
        .newlines = newlines,
        .max_size = max_size,
        .max_received = max_received,
        .in_header = true,
        .named = true,
    };
}

static void fault(struct data *data, enum verdict fault)
{
    if (data->fault == VERDICT_OK)
        data->fault = fault;
}

/* Counts the Received fields; the header ends with the first empty line. */
static void scan_header(struct data *data, const char *text, size_t len)
{
    static const char name[] = "received:";
    enum { NAME_LEN = sizeof name - 1 };

    if (data->size == 0 && (*text == ' ' || *text == '\t'))
        data->in_header = false; /* there is none: it would continue a field that is not there */
    for (size_t i = 0; i < len && data->in_header; i++) {
        if (text[i] == '\n') {
            data->in_header = data->column > 0;
            data->column = 0;
            data->named = true;
            continue;
        }
        if (data->column < NAME_LEN) {
            data->named = data->named && (text[i] | 0x20) == (name[data->column] | 0x20);
            data->column++;
            if (data->column == NAME_LEN && data->named && ++data->received > data->max_received)
                fault(data, VERDICT_HOPS);
        }
    }
}

struct output {
    char *to;
    size_t len;
};

static void put(struct data *data, struct output *out, const char *text, size_t len)
{
    if (len == 0)
        return;
    memcpy(out->to + out->len, text, len);
    out->len += len;
    data->ended = text[len - 1] == '\n';
    uint64_t room = data->size < data->max_size ? data->max_size - data->size : 0;
    if (data->in_header) /* which fault is the first one must not depend on where packets end */
        scan_header(data, text, len < room ? len : (size_t)room);
    data->size += len;
    if (len > room)
        fault(data, VERDICT_TOO_LARGE);
}

static void put_newline(struct data *data, struct output *out)
{
    data->size++; /* for the CR that is not put out */
    put(data, out, "\n", 1);
}

/* A CR or LF alone: RFC 5321 2.3.8 forbids both. */
static void bare_newline(struct data *data, char which, struct output *out)
{
    if (data->newlines == DATA_NORMALISE || (data->newlines == DATA_NORMALISE_LF && which == '\n'))
        put_newline(data, out);
    else
        fault(data, VERDICT_BARE_NEWLINE);
}

/* Takes all up to the next CR or LF, and that byte. Returns how much. */
static size_t take_text(struct data *data, const char *in, size_t len, struct output *out)
{
    const char *lf = memchr(in, '\n', len);
    size_t line = lf == NULL ? len : (size_t)(lf - in);
    const char *cr = memchr(in, '\r', line);
    size_t text = cr == NULL ? line : (size_t)(cr - in);

    put(data, out, in, text);
    data->state = DATA_TEXT;
    if (text == len)
        return len;
    if (in[text] == '\r')
        data->state = DATA_CR;
    else /* not a line's start: what follows is neither end nor added dot */
        bare_newline(data, '\n', out);
    return text + 1;
}

size_t data_feed(struct data *data, const char *in, size_t len, char *to, size_t *out_len)
{
    struct output out = {to, 0};
    size_t at = 0;

    while (at < len && data->state != DATA_COMPLETE) {
        switch (data->state) {
        case DATA_LINE:
            data->state = in[at] == '.' && !data->chunked ? DATA_DOT : DATA_TEXT;
            at += data->state == DATA_DOT;
            break;
        case DATA_DOT:
            data->state = in[at] == '\r' ? DATA_DOT_CR : DATA_TEXT;
            at += in[at] == '\r';
            break;
        case DATA_CR:
        case DATA_DOT_CR:
            if (in[at] == '\n') {
                at++;
                if (data->state == DATA_CR)
                    put_newline(data, &out);
                data->state = data->state == DATA_CR ? DATA_LINE : DATA_COMPLETE;
            } else {
                bare_newline(data, '\r', &out);
                data->state = DATA_TEXT;
            }
            break;
        default:
            at += take_text(data, in + at, len - at, &out);
        }
    }
    *out_len = out.len;
    return at;
}

size_t data_end(struct data *data, char *to)
{
    struct output out = {to, 0};

    if (data->state == DATA_CR)
        bare_newline(data, '\r', &out);
    else if (!data->ended)
        out.to[out.len++] = '\n'; /* the client's size has none */
    data->state = DATA_COMPLETE;
    return out.len;
}
