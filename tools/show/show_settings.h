/*
 * show_settings: the settings in effect, the certificates, and how many records there are.
 */
#ifndef MAILSLOT_SHOW_SETTINGS_H
#define MAILSLOT_SHOW_SETTINGS_H

#include "../../smtpd/database/database.h"
#include "../../smtpd/database/settings.h"

/* Prints the settings in the form of mailslot.conf(5), and reads the whole database at path.
 * Returns the exit code (message.h). */
int show_settings(struct database *db, const struct settings *settings, const char *path);

#endif
