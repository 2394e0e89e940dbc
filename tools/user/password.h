/*
 * password: a new password asked for: twice, unseen, if stdin is a terminal, else its first line.
 */
#ifndef MAILSLOT_PASSWORD_H
#define MAILSLOT_PASSWORD_H

#include "../source/credentials.h"

/* Makes the credentials of the password that is given for this address (a key, address.h). Returns
 * an exit code (message.h) and has reported what is wrong; the password itself is wiped from
 * memory. */
int password_ask(struct slice address, char credentials[CREDENTIALS_MAX]);

#endif
