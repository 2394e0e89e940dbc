/*
 * strangers: users other than root, and ourselves, who can change where a path leads. What root
 * does there, or is asked to type, can be turned against any file of the system.
 */
#ifndef MAILSLOT_STRANGERS_H
#define MAILSLOT_STRANGERS_H

#include <stdbool.h>
#include <sys/types.h>

enum strangers_regard {
    STRANGERS_LINKS,   /* only symbolic links that belong to a stranger */
    STRANGERS_ENTRIES, /* folders, too, that a stranger can replace an entry of */
};

struct stranger {
    char *path; /* the link or the folder, allocated */
    uid_t uid;
};

/*
 * Looks at all folders and links on the way to the path, and at the path itself if it is a link.
 * The user `also` is no stranger; 0 if there is no such user. A sticky folder that everyone can
 * write to keeps users from each other's entries, so only its links count. Returns whether there is
 * a stranger.
 */
bool strangers_find(const char *path, enum strangers_regard regard, uid_t also,
                    struct stranger *stranger);

#endif
