#include "step.h"

#include <stdio.h>

void step_clear(struct step *step)
{
    step->send = step->secret = step->wait = step->more = step->close = false;
    step->read = STEP_READ_NOTHING;
    step->reply_len = 0;
}

void step_reply(struct step *step, enum reply reply, const char *insert)
{
    step->reply_len = reply_write(step->reply, reply, insert);
}

/* Adds a line, after which there are others. False: there is no room for it. */
static bool add_line(struct step *step, struct slice codes, struct slice text)
{
    size_t room = sizeof step->reply - step->reply_len;
    int len = snprintf(step->reply + step->reply_len, room, "%.3s-%.*s%.*s\r\n", codes.at,
                       (int)codes.len - 4, codes.at + 4, SLICE(text));

    if ((size_t)len >= room)
        return false;
    step->reply_len += (size_t)len;
    return true;
}

/* The code, the enhanced status code, if there is one, and the blanks after them. */
static struct slice codes_of(struct slice said)
{
    size_t len = hop_status_len(slice_from(said, 4), (uint32_t)(said.at[0] - '0') * 100);

    return (struct slice){said.at, len == 0 || 4 + len == said.len ? 4 : 4 + len + 1};
}

void step_said(struct step *step, struct slice said)
{
    struct slice codes = codes_of(said), rest = slice_from(said, codes.len);
    size_t last = 0;

    step->reply_len = 0;
    do {
        size_t begin = step->reply_len;
        if (!add_line(step, codes, slice_cut(&rest, '\r')))
            break;
        last = begin;
    } while (rest.len > 0);
    step->reply[last + 3] = ' ';
}

void step_line(struct step *step, enum reply reply, const char *insert, bool last)
{
    step->reply_len += reply_line(step->reply + step->reply_len,
                                  sizeof step->reply - step->reply_len, reply, insert, last);
}

void step_close(struct step *step, enum end end)
{
    if (end != END_CLOSED)
        step_reply(step, end_reply(end), NULL);
    step->close = true;
    step->end = end;
}

void step_send(struct step *step, enum wall_type type)
{
    step->message->type = type;
    step->send = true;
}

void step_ask(struct step *step, enum wall_type type)
{
    step_send(step, type);
    step->wait = true;
}
