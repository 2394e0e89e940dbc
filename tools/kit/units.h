/*
 * units: how systemd is configured to start the server. Only files are read; no program is run.
 */
#ifndef MAILSLOT_UNITS_H
#define MAILSLOT_UNITS_H

#include <stdbool.h>

/* Each role has its own port or path, which one of two sockets can serve. */
struct units_role {
    const char *session; /* the socket that starts a service for each connection */
    const char *listen;  /* the socket of the listening service; not there for UNITS_SUBMIT */
    const char *service; /* of the sessions */
    int port;            /* 0: it has a path: */
    const char *path;
};

enum { UNITS_MX, UNITS_SUBMISSION, UNITS_SUBMISSIONS, UNITS_LMTP, UNITS_SUBMIT, UNITS_ROLES };

extern const struct units_role units_roles[UNITS_ROLES];

#define UNITS_LISTENING_SERVICE "mailslot-listen.service"

/* Is systemd running here? */
bool units_are_used(void);

bool units_is_enabled(const char *socket);

/* Is a socket of the listening service enabled? */
bool units_have_listener(void);

/* Is a socket enabled for a port that requires login? */
bool units_have_submission(void);

/* Was it masked by `systemctl mask`? */
bool units_is_masked(const char *unit);

/* Does the administrator have a drop-in for it? */
bool units_is_changed(const char *unit);

/* Does ProtectSystem= keep the listening service from writing to the path, and no ReadWritePaths=
 * permits it? The path is to be free of symbolic links. */
bool units_protect_system(const char *path);

/* Does ProtectHome= keep the listening service from reading what is at the path, or only from
 * writing to it? */
bool units_protect_home(const char *path, bool from_writing);

/* Does this service get the file from systemd, by LoadCredential=? */
bool units_service_loads(const char *service, const char *path);

/* Do all enabled services get the file from systemd, by LoadCredential= (systemd.exec(5))? False if
 * none is enabled. */
bool units_hand_over(const char *path);

#endif
