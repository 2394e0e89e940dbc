#include "failure.h"

#include "../mailbox/mbox_folder.h"

#include <errno.h>
#include <string.h>

static const struct {
    int error;
    enum verdict verdict;
    const char *text; /* NULL: the system's */
} rows[] = {
    {ENOSPC, VERDICT_NO_SPACE, NULL},
    {EDQUOT, VERDICT_OVER_QUOTA, NULL},
    {EFBIG, VERDICT_OVER_QUOTA, NULL},
    {EACCES, VERDICT_MAILBOX, NULL},
    {EPERM, VERDICT_MAILBOX, NULL},
    {EROFS, VERDICT_MAILBOX, NULL},
    {MBOX_OVER_QUOTA, VERDICT_OVER_QUOTA, "would exceed the quota set in users"},
    {MBOX_LOCKED, VERDICT_LOCKED, "another program holds its lock"},
    {MBOX_STRAY, VERDICT_MAILBOX,
     "the file of that name with .undo added was not made by mailslot: examine it, then remove it"},
    {MBOX_ABSENT, VERDICT_MAILBOX,
     "missing, and only its user or root may create it; as root: install -m 660 -o USER -g mail "
     "/dev/null MAILBOX"},
    {MBOX_UNSAFE, VERDICT_MAILBOX,
     "not a regular file with a single hard link, or a symbolic link leads to it"},
    {MBOX_CHANGED, VERDICT_FAILED,
     "a program that ignores locks has changed it: the part of the message that was written stays"},
};

struct failure failure_of(int error)
{
    /* If a user has too much mail, nothing is wrong with the system. */
    bool full = error == MBOX_OVER_QUOTA || error == EDQUOT;
    struct failure failure = {VERDICT_FAILED, full ? EVENT_OVER_QUOTA : EVENT_DEFERRED, NULL};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].error == error) {
            failure.verdict = rows[i].verdict;
            failure.error = rows[i].text;
        }
    }
    if (failure.error == NULL)
        failure.error = strerror(error);
    return failure;
}
