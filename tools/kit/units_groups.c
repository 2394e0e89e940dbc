#include "units_groups.h"

#include "directive.h"
#include "units.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char DIRECTIVE[] = "SupplementaryGroups";

static bool has(const char *service, const char *group)
{
    char *list = directive_list(service, DIRECTIVE), *rest = list, *word;
    bool found = false;

    while (!found && (word = directive_word(&rest)) != NULL)
        found = strcmp(word, group) == 0;
    free(list);
    return found;
}

/* The services of the enabled sockets; returns how many. */
static size_t find_services(const char *services[UNITS_ROLES + 1])
{
    size_t len = 0;

    for (size_t i = 0; units_are_used() && i < UNITS_ROLES; i++)
        if (units_is_enabled(units_roles[i].session))
            services[len++] = units_roles[i].service;
    if (units_have_listener())
        services[len++] = UNITS_LISTENING_SERVICE;
    return len;
}

static void add(struct service_user *user, const char *name)
{
    const struct group *group = getgrnam(name);

    if (group != NULL && user->groups_len < SERVICE_USER_GROUPS_MAX)
        user->groups[user->groups_len++] = group->gr_gid;
}

void units_groups_add(struct service_user *user)
{
    const char *services[UNITS_ROLES + 1];
    size_t len = find_services(services);
    char *list = len > 0 ? directive_list(services[0], DIRECTIVE) : NULL, *rest = list, *word;

    while (list != NULL && (word = directive_word(&rest)) != NULL) {
        bool common = true;
        for (size_t i = 1; common && i < len; i++)
            common = has(services[i], word);
        if (common)
            add(user, word);
    }
    free(list);
}
