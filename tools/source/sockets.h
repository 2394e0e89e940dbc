/*
 * sockets: the sockets of mail stores that users and aliases name. The server connects to no others
 * but those in the settings.
 */
#ifndef MAILSLOT_SOCKETS_H
#define MAILSLOT_SOCKETS_H

#include "source.h"

enum { SOCKETS_MAX = 64 };

/* Reports an error if there are too many. */
void sockets_check(const struct source *source, struct report *report);

/* Writes them, each on a line, without that of the setting mailboxes. Returns how many. */
size_t sockets_write(const struct source *source, FILE *to);

#endif
