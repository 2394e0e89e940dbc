#include "step.h"

void step_clear(struct session_step *step)
{
    step->send = step->secret = step->wait = step->more = step->close = false;
    step->read = STEP_READ_NOTHING;
    step->reply_len = 0;
}

void step_reply_with(struct session_step *step, enum reply reply, const char *insert)
{
    step->reply_len = reply_write(step->reply, reply, insert);
}

void step_line(struct session_step *step, const char *code, const char *text, bool last)
{
    step->reply_len += reply_line(step->reply + step->reply_len,
                                  sizeof step->reply - step->reply_len, code, text, last);
}

void step_close(struct session_step *step, enum end end)
{
    if (end != END_CLOSED)
        step_reply_with(step, end_reply(end), NULL);
    step->close = true;
    step->end = end;
}

void step_send(struct session_step *step, enum wall_type type)
{
    step->message->type = type;
    step->send = true;
}
