/*
 * show_way: how mail for other domains leaves: the relays in the settings, and the smarthosts in
 * relay.cdb, which is beside the database.
 */
#ifndef MAILSLOT_SHOW_WAY_H
#define MAILSLOT_SHOW_WAY_H

#include "../../smtpd/database/relay_settings.h"
#include "../../smtpd/database/settings.h"

struct show_way {
    const struct settings *settings;
    struct database db;
    struct relay_settings relay; /* without hosts, if relay.cdb cannot be read; then */
    char *problem;               /* says why, allocated; NULL: there is no such file */
};

/* database: the path of mailslot.cdb. */
void show_way_open(struct show_way *way, const struct settings *settings, const char *database);
void show_way_close(struct show_way *way);

/*
 * Takes the next relay for mail from any sender; or, if it is forwarded by an alias, that for
 * forward-sender, if this is set. *at is 0 at first. False: there are no more. *domains: if not
 * empty, it is for senders in these, each with an `@`, with blanks between them.
 */
bool show_way_next(const struct show_way *way, bool forwarded, size_t *at, struct slice *socket,
                   struct slice *domains);

/* Does mailslot-relay(8) with the smarthosts of relay.cdb listen there? */
bool show_way_has_smarthosts(const struct show_way *way, struct slice socket);

#endif
