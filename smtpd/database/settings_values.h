/*
 * settings_values: the names of mailslot.conf(5) whose values are neither numbers nor names of
 * files. Each function is that of settings_set() for one name.
 */
#ifndef MAILSLOT_SETTINGS_VALUES_H
#define MAILSLOT_SETTINGS_VALUES_H

#include "settings.h"

const char *settings_set_hostname(struct settings *settings, struct slice value);
const char *settings_set_domains(struct settings *settings, struct slice value);
const char *settings_set_mail_root(struct settings *settings, struct slice value);
const char *settings_set_delimiter(struct settings *settings, struct slice value);
const char *settings_set_bare_newline(struct settings *settings, struct slice value);
const char *settings_set_priority(struct settings *settings, struct slice value);

/* Of other servers: settings_hops.c. */
const char *settings_set_relay(struct settings *settings, struct slice value);
const char *settings_set_forward_sender(struct settings *settings, struct slice value);
const char *settings_set_mailboxes(struct settings *settings, struct slice value);
const char *settings_set_local_submission(struct settings *settings, struct slice value);

/* Of filters: settings_milters.c. */
const char *settings_set_milter(struct settings *settings, struct slice value);
const char *settings_set_milter_failure(struct settings *settings, struct slice value);
const char *settings_set_quarantine(struct settings *settings, struct slice value);

/* Writes those of other servers, and of filters, without the numbers. */
void settings_write_hops(const struct settings *settings, FILE *to);
void settings_write_milters(const struct settings *settings, FILE *to);

/* The words of bare-newline. */
extern const char *const settings_newlines[];

#endif
