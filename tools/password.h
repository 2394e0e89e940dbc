/*
 * password: a new password asked for: twice, unseen, if stdin is a terminal, else its first line.
 */
#ifndef MAILSLOT_PASSWORD_H
#define MAILSLOT_PASSWORD_H

enum { PASSWORD_MIN = 8, PASSWORD_MAX = 511 }; /* bytes; crypt(3) takes no more */

/* Returns its hash, to be freed, or NULL with *code set to an exit code and the reason said. The
 * password itself is wiped from memory. */
char *password_ask(int *code);

#endif
