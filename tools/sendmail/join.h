/*
 * join: `sendmail -bs`: SMTP on standard input and output.
 */
#ifndef MAILSLOT_SENDMAIL_JOIN_H
#define MAILSLOT_SENDMAIL_JOIN_H

/* Passes on what comes from either side until the server has closed. Returns the exit code. */
int join_server(void);

#endif
