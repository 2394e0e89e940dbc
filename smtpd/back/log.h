/*
 * log: writes events to the journal, if it reads our stderr; to syslog, if stderr is the client; to
 * stderr otherwise.
 *
 * In the journal each pair is a field, MAILSLOT_NAME=value, and MESSAGE is short: the event and the
 * pairs that event.c names. Elsewhere an event is one line that begins like that MESSAGE and ends
 * with the other pairs, `mailslot[PID]: EVENT name=value ...`. It has at most PIPE_BUF bytes, so
 * that the lines of several sessions do not mix in one pipe.
 *
 * Whatever a client sends is escaped: a value stays one value of one line, of printable ASCII.
 */
#ifndef MAILSLOT_LOG_H
#define MAILSLOT_LOG_H

#include "event.h"

#include <stdint.h>

enum {
    LOG_FEW = 5,           /* how often a session logs an EVENT_FEW */
    LOG_LIST_MAX = 8192,   /* bytes of a list, its NUL included */
    LOG_LIST_FIELDS = 200, /* elements of a list in the journal */
};

/* Finds out where the log goes. in and out: the client's connection, or -1. */
void log_open(int in, int out);

/* Begins a session with this client. Its address and a new session id are part of every event from
 * now on. Keeps the pointer. */
void log_session(const char *peer);

/* The id of the session; empty before log_session(). */
const char *log_session_id(void);

/*
 * Logs an event. Pairs of strings follow it, name and value, and a NULL at the end. A pair whose
 * value is NULL is left out. Values may hold any bytes. If a name ends in `[]`, its value is a list
 * with one element a line: several fields of that name in the journal, separated by commas
 * elsewhere. Errors of logging are ignored: no mail fails because of them.
 */
void log_event(enum event event, ...) __attribute__((sentinel));

/* How often this event occurred in the session, logged or not. */
uint64_t log_count(enum event event);

/* How many events of the session were not logged, because there were too many of their kind. */
uint64_t log_unlogged(void);

#endif
