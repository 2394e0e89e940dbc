/*
 * show_settings: the settings in effect, the certificates, and how many records there are.
 */
#ifndef MAILSLOT_SHOW_SETTINGS_H
#define MAILSLOT_SHOW_SETTINGS_H

#include "show_found.h"

/* Prints the settings in the form of mailslot.conf(5), and reads the whole database at path. As
 * JSON, prints the settings alone. Returns the exit code (message.h). */
int show_settings(const struct show *show, const char *path, bool json);

#endif
