/*
 * send: one message, from standard input to all of its recipients, or to none.
 */
#ifndef MAILSLOT_SENDMAIL_SEND_H
#define MAILSLOT_SENDMAIL_SEND_H

#include "options.h"

/* Returns the exit code, after a message if it is not EX_OK. */
int send_message(const struct options *options);

#endif
