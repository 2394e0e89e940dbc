/*
 * show_ask: asks the servers that mail for an address goes to whether they accept it.
 */
#ifndef MAILSLOT_SHOW_ASK_H
#define MAILSLOT_SHOW_ASK_H

#include "../../smtpd/database/directory.h"

/* Prints a line for each of them, after show_address(). Returns the exit code (message.h):
 * EXIT_ABSENT if one does not accept it or cannot be asked. */
int show_ask(struct database *db, const struct settings *settings, const char *address);

#endif
