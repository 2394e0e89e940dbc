/*
 * talk: the dialogue with the smarthost from its greeting to the log-in.
 */
#ifndef MAILSLOT_TALK_H
#define MAILSLOT_TALK_H

#include "../database/relay_settings.h"
#include "link.h"
#include "offers.h"

struct talk {
    const struct relay_settings *settings;
    const char *folder; /* of the database */
    const char *hello;  /* what we say in EHLO */
    struct offers offers;
    const char *mechanism; /* by which it has logged in; NULL: it has not */
};

/* Everything up to the first MAIL, over a connection to this host, whose name is the host's in
 * ASCII. 0, or -1 with the failure. */
int talk(struct talk *talk, struct link *link, const struct relay_host *host, const char *name,
         struct fault *fault);

#endif
