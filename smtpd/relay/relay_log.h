/*
 * relay_log: the relay's log: lines on stderr, which systemd passes to the journal; in syslog, if
 * stderr is the client.
 */
#ifndef MAILSLOT_RELAY_LOG_H
#define MAILSLOT_RELAY_LOG_H

/* client: its descriptor, or -1. */
void relay_log_open(int client);

/* priority: of syslog(3). */
__attribute__((format(printf, 2, 3))) void relay_log(int priority, const char *format, ...);

#endif
