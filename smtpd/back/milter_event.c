#include "milter_event.h"

#include <stddef.h>
#include <string.h>

static bool add(struct milter_event *event, const char *text)
{
    size_t used = event->arguments_len + event->macros_len, len = strlen(text) + 1;

    if (len > sizeof event->strings - used)
        return false;
    memcpy(event->strings + used, text, len);
    return true;
}

void milter_event_argument(struct milter_event *event, const char *text)
{
    if (add(event, text))
        event->arguments_len += strlen(text) + 1;
}

void milter_event_macro(struct milter_event *event, const char *name, const char *value)
{
    size_t before = event->macros_len;

    if (value == NULL)
        return;
    bool named = add(event, name);
    event->macros_len += named ? strlen(name) + 1 : 0;
    if (named && add(event, value))
        event->macros_len += strlen(value) + 1;
    else
        event->macros_len = before;
}

void milter_event_begin(struct milter_event *event, enum milter_step step)
{
    event->step = step;
    event->refused = false;
    event->arguments_len = event->macros_len = 0;
}

size_t milter_event_write(const struct milter_event *event, size_t number,
                          struct wall_message *message)
{
    struct wall_milter_event *to = &message->milter_event;
    size_t len = event->arguments_len + event->macros_len;

    message->type = WALL_MILTER_EVENT;
    to->filter = (uint32_t)number;
    to->step = event->step;
    to->arguments_len = (uint16_t)event->arguments_len;
    to->macros_len = (uint16_t)event->macros_len;
    to->refused = event->refused;
    memcpy(to->strings, event->strings, len);
    return offsetof(struct wall_milter_event, strings) + len;
}
