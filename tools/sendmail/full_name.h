/*
 * full_name: the name of the person whose program sends a message.
 */
#ifndef MAILSLOT_FULL_NAME_H
#define MAILSLOT_FULL_NAME_H

/* As given (-F), or from $NAME, or from the system's user database; empty
 * if there is none, or if it is not UTF-8. Stays valid. */
const char *full_name(const char *given);

#endif
