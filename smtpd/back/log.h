/*
 * log: one line an event, `mailslot[PID]: EVENT name=value ...`, to where the design says: the
 * journal with a field for each name if systemd reads our stderr; stderr; or syslog, if stderr is
 * the client.
 */
#ifndef MAILSLOT_LOG_H
#define MAILSLOT_LOG_H

#include <syslog.h> /* LOG_INFO and its kin, the priorities */

/* Finds out where the log goes. in and out: the client's connection, -1 where there is none. */
void log_open(int in, int out);

/* The client's address, from now on part of every line. Keeps the pointer. */
void log_peer(const char *peer);

/*
 * Writes an event. Behind it follow pairs of strings, name and value, and a NULL. A NULL value
 * leaves its pair out. Values may hold anything: what is not plain is quoted and escaped. Errors of
 * the log are not errors of the mail: they are ignored.
 */
void log_event(int priority, const char *event, ...) __attribute__((sentinel));

#endif
