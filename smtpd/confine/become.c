#include "become.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

bool become_is_root(void)
{
    uid_t real, effective, saved;

    return getresuid(&real, &effective, &saved) != 0 || real == 0 || effective == 0 || saved == 0;
}

enum become become_user(const char *name)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);

    if (user == NULL)
        return errno == 0 || errno == ENOENT ? BECOME_NO_USER : BECOME_FAILED;
    if (user->pw_uid == 0 && strcmp(name, "root") != 0) /* root by another name */
        return BECOME_NO_USER;
    if (user->pw_uid == geteuid() && (user->pw_uid == 0 || !become_is_root()))
        return BECOME_DONE;
    if (!become_is_root())
        return BECOME_NOT_ROOT;
    if (seteuid(0) != 0 || initgroups(name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        return BECOME_FAILED;
    errno = EPERM; /* if there is a way back to root, do not go on */
    return setuid(0) == 0 ? BECOME_FAILED : BECOME_DONE;
}
