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
    for (struct slice rest = slice_from(path, 1); rest.at != NULL;) {
        const char *slash = memchr(rest.at, '/', rest.len);
        struct slice name = slice_until(rest, '/');
        if (name.len == 0)
            return "write the path of a socket, with no slash at the end and no two in a row";
        if (slice_is(name, ".") || slice_is(name, ".."))
            return "write the path without `.` and `..`";
        rest = slash == NULL ? (struct slice){0} : slice_from(rest, name.len + 1);
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
