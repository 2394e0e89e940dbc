/*
 * id: unique names for messages and sessions.
 */
#ifndef MAILSLOT_ID_H
#define MAILSLOT_ID_H

enum { ID_MAX = 24 }; /* with its NUL */

/* 80 random bits: it is unique without a counter, a clock or the host name. */
void id_make(char id[ID_MAX]);

#endif
