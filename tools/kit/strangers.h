/*
 * strangers: users other than root and ourselves who can change where a path leads. They could
 * turn what root does there, or is asked to type, against any file of the system.
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
 * The user `trusted` is not a stranger (0: only root and we are trusted). In a sticky folder that
 * everyone can write to users cannot replace each other's entries, so only its links count. Returns
 * whether there is a stranger.
 */
bool strangers_find(const char *path, enum strangers_regard regard, uid_t trusted,
                    struct stranger *stranger);

#endif
