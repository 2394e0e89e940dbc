#include "role.h"

#include <string.h>

static const char *const names[ROLES] = {
    [ROLE_SMTP] = "smtp",
    [ROLE_MX] = "mx",
    [ROLE_SUBMISSION] = "submission",
    [ROLE_SUBMISSIONS] = "submissions",
    [ROLE_LMTP] = "lmtp",
    [ROLE_LOCAL] = "local",
};

enum role role_parse(const char *name)
{
    enum role role = ROLE_SMTP;

    while (role < ROLES && strcmp(name, names[role]) != 0)
        role++;
    return role;
}

bool role_has_auth(enum role role)
{
    return role == ROLE_SMTP || role_needs_auth(role);
}

bool role_needs_auth(enum role role)
{
    return role == ROLE_SUBMISSION || role == ROLE_SUBMISSIONS;
}

bool role_is_submission(enum role role)
{
    return role_needs_auth(role) || role == ROLE_LOCAL;
}

const char *role_name(enum role role)
{
    return names[role];
}
