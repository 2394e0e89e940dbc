/*
 * relay_files: can mailslot-relay(8) read its files, and nobody else?
 */
#ifndef MAILSLOT_RELAY_FILES_H
#define MAILSLOT_RELAY_FILES_H

#include "../../smtpd/database/relay_settings.h"
#include "check.h"

#include <pwd.h>

#define RELAY_USER "mailslot-relay"
#define RELAY_SERVICE "mailslot-relay@.service"

/* Reports what is wrong with the database and with the files that the settings name. False: the
 * relay cannot work, or systemd gives it files that this program does not have. */
bool relay_files_check(struct check *check, const struct relay_settings *settings,
                       const char *database, const struct passwd *user);

#endif
