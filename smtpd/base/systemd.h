/*
 * systemd: libsystemd, loaded only by a process that needs it, because loading it takes half a
 * millisecond.
 */
#ifndef MAILSLOT_SYSTEMD_H
#define MAILSLOT_SYSTEMD_H

#include <stddef.h>
#include <sys/uio.h>

/* The first descriptor systemd passes (SD_LISTEN_FDS_START). */
enum { SYSTEMD_FIRST_FD = 3 };

/* How many sockets systemd has passed to us, from SYSTEMD_FIRST_FD on; $LISTEN_FDS is unset
 * then. 0 if none, -1 with errno if that cannot be found out. Their names (FileDescriptorName=)
 * stay allocated. */
int systemd_listen_fds(char ***names);

/* Is this a listening socket? 1, 0, or -1 with errno. */
int systemd_is_listening(int fd);

/* Notifies the service manager, if it waits for that, e.g. "READY=1" (sd_notify(3)). */
void systemd_notify(const char *state);

/* Sends one entry of these FIELD=value fields to the journal. 0, or -1 if that fails. */
int systemd_journal(const struct iovec *fields, int count);

#endif
