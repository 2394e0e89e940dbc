/*
 * strangers: users who can change where a path leads, other than root and the user who runs this.
 * They could redirect what root does there, or is asked to type, to any file of the system.
 */
#ifndef MAILSLOT_STRANGERS_H
#define MAILSLOT_STRANGERS_H

#include <stdbool.h>
#include <sys/types.h>

enum strangers_regard {
    STRANGERS_LINKS,   /* only symbolic links that belong to a stranger */
    STRANGERS_ENTRIES, /* also folders in which a stranger can replace an entry */
};

struct stranger {
    char *path; /* the link or the folder, allocated */
    uid_t uid;
};

/*
 * Looks at all folders and links on the way to the path, and at the path itself if it is a link.
 * The user `trusted` is not a stranger; 0 adds none. In a sticky folder that everyone can write to,
 * users cannot replace each other's entries, so only symbolic links count there. Returns whether
 * there is a stranger.
 */
bool strangers_find(const char *path, enum strangers_regard regard, uid_t trusted,
                    struct stranger *stranger);

#endif
