#include "socket_path.h"

#include <string.h>

static const char store[] = "lmtp:";

/* A comma separates targets and options, a blank the domains of a relay. */
static bool has_separator(struct slice path)
{
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.at[i] <= ' ' || path.at[i] == 0x7f || path.at[i] == ',')
            return true;
    return false;
}

const char *socket_path_wrong(struct slice path)
{
    if (path.len == 0 || *path.at != '/')
        return "write the absolute path of a UNIX-domain socket";
    if (path.len > SOCKET_PATH_MAX)
        return "the path of a socket cannot be longer than 107 bytes";
    if (has_separator(path))
        return "the path of a socket cannot contain commas, blanks or control characters";
    for (size_t at = 1, next; at <= path.len; at = next) {
        struct slice name = slice_until(slice_from(path, at), '/');
        next = at + name.len + 1;
        if (name.len == 0)
            return "write the path of a socket, with no slash at the end and no two in a row";
        if (slice_is(name, ".") || slice_is(name, ".."))
            return "write the path without `.` and `..`";
    }
    return NULL;
}

bool socket_path_of_store(struct slice text, struct slice *path)
{
    bool is_store = slice_begins(text, store);

    if (is_store)
        *path = slice_from(text, strlen(store));
    return is_store;
}
