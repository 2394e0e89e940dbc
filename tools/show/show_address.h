/*
 * show_address: how the server answers RCPT for an address, and where the mail goes, as text for
 * people.
 */
#ifndef MAILSLOT_SHOW_ADDRESS_H
#define MAILSLOT_SHOW_ADDRESS_H

#include "show_found.h"

/* Returns the exit code (message.h). */
int show_address(const struct show *show, const char *text);

#endif
