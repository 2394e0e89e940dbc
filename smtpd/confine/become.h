/*
 * become: changes the user of a server that was started as root.
 */
#ifndef MAILSLOT_BECOME_H
#define MAILSLOT_BECOME_H

#include <stdbool.h>

/* The user that it becomes by default. */
#define BECOME_USER "mailslot"

enum become {
    BECOME_DONE,     /* or it is this user already */
    BECOME_NO_USER,  /* there is no user of this name */
    BECOME_NOT_ROOT, /* only root can become another user */
    BECOME_FAILED,   /* errno says why */
};

/* Is this process root, or could it become root again? */
bool become_is_root(void);

/* Becomes this user, with all its groups, for good. */
enum become become_user(const char *name);

#endif
