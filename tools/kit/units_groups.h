/*
 * units_groups: the groups that systemd gives the sessions, besides those of their user.
 */
#ifndef MAILSLOT_UNITS_GROUPS_H
#define MAILSLOT_UNITS_GROUPS_H

#include "service_user.h"

/* Adds the groups of SupplementaryGroups= that all enabled services have in common. */
void units_groups_add(struct service_user *user);

#endif
