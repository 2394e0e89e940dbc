/*
 * milter_edit: a change to a message that a filter asks for.
 */
#ifndef MAILSLOT_MILTER_EDIT_H
#define MAILSLOT_MILTER_EDIT_H

#include "../wall/wall.h"

#include <stdbool.h>

/* Lines of values are separated by LF, and the value of a field begins with the blank after the
 * colon, if there is one. */
struct milter_edit {
    enum milter_change kind;
    uint32_t index;
    struct slice name, value;
};

/* Applies changes, in their order. change() returns NULL, or a static string that says what is
 * wrong with the change: then the filter has failed. */
struct milter_changes {
    const char *(*change)(void *context, const struct milter_edit *edit);
    void *context;
};

/* Reads one as it came over the wall, with so many bytes of body. False if its form is wrong: an
 * unknown kind, or CR, LF or NUL where none belongs. The edit points into it. */
bool milter_edit_read(const struct wall_milter_change *change, size_t body_len,
                      struct milter_edit *edit);

#endif
