#include "become.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum become become_user(const char *name)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);

    if (user == NULL)
        return errno == 0 || errno == ENOENT ? BECOME_NO_USER : BECOME_FAILED;
    if (user->pw_uid == 0 && strcmp(name, "root") != 0) /* root by another name */
        return BECOME_NO_USER;
    if (user->pw_uid == geteuid())
        return BECOME_DONE;
    if (geteuid() != 0)
        return BECOME_NOT_ROOT;
    if (initgroups(name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        return BECOME_FAILED;
    errno = EPERM; /* if there is a way back to root, do not go on */
    return setuid(0) == 0 ? BECOME_FAILED : BECOME_DONE;
}
