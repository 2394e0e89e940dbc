/*
 * show_json: what show_address.h and show_settings.h print, as JSON (mailslot-show(8)).
 */
#ifndef MAILSLOT_SHOW_JSON_H
#define MAILSLOT_SHOW_JSON_H

#include "show_found.h"

/* An object about the address. Returns the exit code (message.h). */
int show_json_address(const struct show *show, const char *text);

/* An object with a member for each setting: a string, or for one that is repeatable an array of
 * them. `text`: the settings as `name=value` lines. */
void show_json_settings(struct slice text);

#endif
