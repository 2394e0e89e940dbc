/*
 * units: how systemd is told to start the server: found in its files, so that no program need be
 * run and nobody asked.
 */
#ifndef MAILSLOT_UNITS_H
#define MAILSLOT_UNITS_H

#include <stdbool.h>

/* What can be enabled: for each role that has a place of its own, two ways of serving it. */
struct units_role {
    const char *session, *listen; /* the sockets */
    const char *service;          /* of the sessions */
    int port;                     /* 0: it has a path: */
    const char *path;
};

enum { UNITS_MX, UNITS_SUBMISSION, UNITS_SUBMISSIONS, UNITS_LMTP, UNITS_ROLES };

extern const struct units_role units_roles[UNITS_ROLES];

/* Of all sockets that do not start a service for each connection. */
#define UNITS_LISTENING_SERVICE "mailslot-listen.service"

/* Does systemd run here? */
bool units_are_used(void);

bool units_is_enabled(const char *socket);

/* Is one of the listening service's? */
bool units_have_listener(void);

/* Are there ports on which nobody who is not logged in can do anything? */
bool units_have_submission(void);

/* Must it not be started, by systemctl mask? */
bool units_is_masked(const char *unit);

/* Is there a drop-in of the administrator's for it? */
bool units_is_changed(const char *unit);

/* Do the service and its drop-ins set a directive to words, one of which is this; or begins so, if
 * it ends with a colon? A path is to be given without a slash at its end. */
bool units_has_word(const char *service, const char *name, const char *word);

/* ... to this, in the end? */
bool units_is_set(const char *service, const char *name, const char *value);

/* Is a file handed to all services that are enabled, of which there are some, by LoadCredential=?
 */
bool units_hand_over(const char *path);

/* Is it in a home, which ProtectHome= keeps from the service, or only from its writing? */
bool units_hides(const char *service, const char *path, bool from_writing);

#endif
