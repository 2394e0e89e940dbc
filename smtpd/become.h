/*
 * become: no longer root: a server that was started as root becomes another user.
 */
#ifndef MAILSLOT_BECOME_H
#define MAILSLOT_BECOME_H

/* Whom it becomes, where nobody else is named. */
#define BECOME_USER "mailslot"

enum become {
    BECOME_DONE,     /* also: it has been this user before */
    BECOME_NO_USER,  /* there is no user of this name */
    BECOME_NOT_ROOT, /* only root can become another user */
    BECOME_FAILED,   /* errno says why */
};

/* Becomes this user, with all its groups, for good. */
enum become become_user(const char *name);

#endif
