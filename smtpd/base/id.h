/*
 * id: unique names for messages and sessions.
 */
#ifndef MAILSLOT_ID_H
#define MAILSLOT_ID_H

enum { ID_MAX = 24 }; /* with its NUL */

/* 80 random bits: no counter, clock or host name is needed to make it the only one of its kind. */
void id_make(char id[ID_MAX]);

#endif
