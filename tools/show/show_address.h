/*
 * show_address: how the server answers RCPT for an address, and where the mail goes.
 */
#ifndef MAILSLOT_SHOW_ADDRESS_H
#define MAILSLOT_SHOW_ADDRESS_H

#include "../../smtpd/database/directory.h"

/* Returns the exit code (message.h). */
int show_address(struct database *db, const struct settings *settings, const char *text);

#endif
