/*
 * password: asks for a new password, twice and without echo if stdin is a terminal; otherwise reads
 * its first line.
 */
#ifndef MAILSLOT_PASSWORD_H
#define MAILSLOT_PASSWORD_H

#include "../source/credentials.h"

/* Makes credentials of a password for this address (a key, address.h). Returns an exit code
 * (message.h) after it has reported errors. The password itself is wiped from memory. */
int password_ask(struct slice address, char credentials[CREDENTIALS_MAX]);

#endif
