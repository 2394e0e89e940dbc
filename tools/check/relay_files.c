#include "relay_files.h"

#include "../../smtpd/database/certificate.h"
#include "../kit/folder.h"
#include "../kit/remedy.h"
#include "../kit/units.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct service_user as_user(const struct passwd *passwd)
{
    struct service_user user = {.exists = true,
                                .testable = geteuid() == 0,
                                .uid = passwd->pw_uid,
                                .groups_len = SERVICE_USER_GROUPS_MAX};

    if (getgrouplist(passwd->pw_name, passwd->pw_gid, user.groups, &user.groups_len) < 0)
        user.groups_len = SERVICE_USER_GROUPS_MAX;
    return user;
}

/* The first folder above the path that the relay may not search; NULL: none. */
static const char *find_barrier(struct check *check, const struct service_user *user,
                                const char *path)
{
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const char *folder = pool_copy(&check->pool, (struct slice){path, (size_t)(slash - path)});
        if (!service_user_may(user, folder, X_OK) && errno == EACCES)
            return folder;
    }
    return NULL;
}

/* A folder is opened to all for searching, as /etc/mailslot is: each file has its own mode. */
static const char *permit(struct check *check, const struct service_user *user, const char *path)
{
    const char *barrier = find_barrier(check, user, path);
    const char *what = barrier == NULL ? path : barrier;
    const char *refused = remedy_refuse(&check->pool, what, what, 0);
    struct stat st = {0};

    if (refused != NULL || stat(what, &st) != 0)
        return refused != NULL ? refused : check->commands.again;
    if (barrier != NULL)
        return remedy_mode(&check->pool, what, st.st_uid, "o+x");
    return pool_format(&check->pool, "chgrp -h " RELAY_USER " %s && %s", check_quote(check, what),
                       remedy_mode(&check->pool, what, st.st_uid, "g+r"));
}

static bool can_read(struct check *check, const struct service_user *user, const char *path)
{
    if (service_user_may(user, path, R_OK))
        return true;
    int error = errno;
    check_say(check, CHECK_FAIL, "smarthost", "%s: " RELAY_USER " cannot read it: %s; %stype: %s",
              path, strerror(error), error == ENOENT ? "write the file, then " : "",
              error == ENOENT ? check->commands.again : permit(check, user, path));
    return false;
}

/* A file that the settings name. */
static bool check_file(struct check *check, const struct service_user *user, const char *folder,
                       struct slice name, bool secret)
{
    char path[SETTINGS_PATH_MAX];

    if (name.len == 0 || certificate_path(folder, name, path) != 0)
        return true;
    const char *kept = pool_format(&check->pool, "%s", path);
    bool good = !secret || !check_secret(check, "smarthost", kept);
    if (!units_service_loads(RELAY_SERVICE, kept))
        return can_read(check, user, kept) && good;
    check_say(check, CHECK_SKIP, "smarthost",
              "systemd passes %s to " RELAY_USER "; to try it, type: %s", kept,
              "mailslot-show --ask ADDRESS");
    return false;
}

bool relay_files_check(struct check *check, const struct relay_settings *settings,
                       const char *database, const struct passwd *user)
{
    const struct service_user relay = as_user(user);
    char *folder = folder_of(database);
    bool good = can_read(check, &relay, database);

    good = check_file(check, &relay, folder, settings->password, true) && good;
    good = check_file(check, &relay, folder, settings->token, true) && good;
    good = check_file(check, &relay, folder, settings->ca, false) && good;
    free(folder);
    return good;
}
