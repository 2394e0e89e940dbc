/*
 * milter_event: an event for filters, as it is put together: its arguments, and the macros that
 * have a value (struct wall_milter_event).
 */
#ifndef MAILSLOT_MILTER_EVENT_H
#define MAILSLOT_MILTER_EVENT_H

#include "../wall/wall.h"

struct milter_event {
    enum milter_step step;
    bool refused; /* MILTER_RCPT: the recipient is */
    size_t arguments_len, macros_len;
    char strings[MILTER_EVENT_MAX];
};

/* An event of this step, without arguments and macros. */
void milter_event_begin(struct milter_event *event, enum milter_step step);

/* Adds an argument, before all macros; or nothing if there is no room. */
void milter_event_argument(struct milter_event *event, const char *text);

/* Adds a macro, after all arguments; or nothing if the value is NULL or there is no room. */
void milter_event_macro(struct milter_event *event, const char *name, const char *value);

/* Writes the event as a message for filter `number`. Returns the length of its body. */
size_t milter_event_write(const struct milter_event *event, size_t number,
                          struct wall_message *message);

#endif
