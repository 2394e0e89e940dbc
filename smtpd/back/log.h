/*
 * log: events, to where the design says: the journal, if systemd reads our stderr; stderr; or
 * syslog, if stderr is the client.
 *
 * In the journal each pair is a field, MAILSLOT_NAME=value, and MESSAGE is short: the event and the
 * pairs that event.c names. Elsewhere an event is one line that begins like that MESSAGE and has
 * the other pairs behind it, `mailslot[PID]: EVENT name=value ...`. It has at most PIPE_BUF bytes,
 * so that lines of several sessions do not mix in one pipe.
 *
 * Whatever a client sends is escaped: a value stays one value of one line, of printable ASCII.
 */
#ifndef MAILSLOT_LOG_H
#define MAILSLOT_LOG_H

#include "event.h"

#include <stdint.h>

enum {
    LOG_FEW = 5,           /* so often a session is an EVENT_FEW logged */
    LOG_LIST_MAX = 8192,   /* bytes of a list, its NUL included; */
    LOG_LIST_FIELDS = 200, /* and so many of its elements are in the journal */
};

/* Finds out where the log goes. in and out: the client's connection, -1 where there is none. */
void log_open(int in, int out);

/* A session begins, with this client: its address, and a new id for the session, are part of every
 * event from now on. Keeps the pointer. */
void log_session(const char *peer);

/*
 * Logs an event. Behind it follow pairs of strings, name and value, and a NULL. A NULL value leaves
 * its pair out. Values may hold anything. One whose name ends in `[]` is a list, an element a line:
 * several fields of one name in the journal, commas elsewhere. Errors of the log are not errors of
 * the mail: they are ignored.
 */
void log_event(enum event event, ...) __attribute__((sentinel));

/* How often this event was there in the session, logged or not. */
uint64_t log_count(enum event event);

/* How many events of the session were not logged, because they were too many of their kind. */
uint64_t log_unlogged(void);

#endif
