#include "field.h"

bool field_is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == ':')
            return false;
    return name.len > 0 && name.len <= FIELD_NAME_MAX;
}

bool field_is_value(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] == '\n' &&
            (i + 1 == value.len || (value.at[i + 1] != ' ' && value.at[i + 1] != '\t')))
            return false;
    return !slice_has(value, '\r') && !slice_has(value, '\0');
}
