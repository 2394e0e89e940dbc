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

void step_said(struct step *step, struct slice line)
{
    step->reply_len = (size_t)snprintf(step->reply, sizeof step->reply, "%.*s\r\n", SLICE(line));
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
