#include "sasl.h"

#include <string.h>

/* In the order in which clients that take the first they know should see them. */
static const struct {
    const char *name;
    enum wall_mechanism mechanism;
} mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", WALL_SCRAM_PLUS},
    {"SCRAM-SHA-256", WALL_SCRAM},
    {"PLAIN", WALL_PLAIN},
    {"LOGIN", WALL_LOGIN},
    {"EXTERNAL", WALL_EXTERNAL},
};

enum { MECHANISMS = sizeof mechanisms / sizeof mechanisms[0] };

uint32_t sasl_mechanism(struct slice name)
{
    for (size_t i = 0; i < MECHANISMS; i++)
        if (slice_is_word(name, mechanisms[i].name))
            return mechanisms[i].mechanism;
    return 0;
}

const char *sasl_name(uint32_t mechanism)
{
    for (size_t i = 0; i < MECHANISMS; i++)
        if (mechanisms[i].mechanism == mechanism)
            return mechanisms[i].name;
    return NULL;
}

void sasl_names(uint32_t offered, char to[SASL_NAMES_MAX])
{
    *to = '\0';
    for (size_t i = 0; i < MECHANISMS; i++)
        if (offered & mechanisms[i].mechanism)
            to = stpcpy(stpcpy(to, " "), mechanisms[i].name);
}
