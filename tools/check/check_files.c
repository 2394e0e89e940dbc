/* check: the user mailslot, the text files, and the database that is built from them. */
#include "../kit/folder.h"
#include "../kit/memory.h"
#include "../kit/remedy.h"
#include "../kit/units.h"
#include "../kit/units_groups.h"
#include "../source/source.h"
#include "../source/source_load.h"
#include "../source/sums.h"
#include "subjects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void check_service_user(struct check *check)
{
    const struct service_user *user = &check->user;

    service_user_find(&check->user);
    units_groups_add(&check->user);
    if (!user->exists && units_are_used())
        check_say(check, CHECK_FAIL, "user",
                  "there is no user " SERVICE_USER "; type: systemd-sysusers");
    else if (!user->exists)
        check_say(check, CHECK_FAIL, "user",
                  "there is no user " SERVICE_USER "; type: useradd -r -G mail " SERVICE_USER);
    else if (user->uid == 0)
        check_say(check, CHECK_FAIL, "user",
                  SERVICE_USER " has user ID 0, so sessions would run as root; give it a user ID "
                               "of its own; type: vipw");
    else if (user->testable)
        check_say(check, CHECK_OK, "user", SERVICE_USER);
    else
        check_say(check, CHECK_SKIP, "user",
                  SERVICE_USER "; only root can find out which files it can use; type: sudo %s",
                  check->commands.again);
}

/* If the path is a link of the administrator, this changes the file, not the link. */
static const char *give_to_root(struct check *check, const char *path)
{
    char *real = realpath(path, NULL);
    const char *file = real == NULL ? path : pool_format(&check->pool, "%s", real);
    const char *refused = remedy_refuse(&check->pool, path, file, 0);

    free(real);
    return refused != NULL
               ? refused
               : pool_format(&check->pool, "chown -h root %s", check_quote(check, file));
}

/* The files decide who gets the mail, so only root, or the user who runs this, may own them. */
static bool check_owner(struct check *check, const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0 || st.st_uid == 0 || st.st_uid == geteuid())
        return false;
    check_say(check, CHECK_FAIL, "files", "%s belongs to user %ju, who can change it; type: %s",
              path, (uintmax_t)st.st_uid, give_to_root(check, path));
    return true;
}

static bool check_writers(struct check *check, const char *path)
{
    struct stat st;

    if (check_owner(check, path))
        return true;
    if (stat(path, &st) != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return false;
    check_say(check, CHECK_FAIL, "files", "%s can be changed by other users; type: %s", path,
              remedy_chmod(&check->pool, path, &st, "go-w"));
    return true;
}

static bool check_modes(struct check *check)
{
    char *conf = folder_path(check->folder, "mailslot.conf");
    char *users = folder_path(check->folder, "users");
    char *aliases = folder_path(check->folder, "aliases");
    bool open = check_writers(check, check->folder);

    open = check_writers(check, conf) || open;
    open = check_writers(check, aliases) || open;
    open = check_owner(check, users) || open;
    open = check_secret(check, "files", users) || open;
    free(conf);
    free(users);
    free(aliases);
    return open;
}

/* The first error that mailslot-build would report. */
static void say_errors(struct check *check, const struct report *report, char *said)
{
    said[strcspn(said, "\n")] = '\0';
    check_say(check, CHECK_FAIL, "files", "%s%s; correct this, then type: %s", said,
              report->errors > 1 ? " (and more errors)" : "", check->commands.build);
}

static void say_unreadable(struct check *check, const char *file)
{
    if (errno == EACCES && geteuid() != 0)
        check_say(check, CHECK_SKIP, "files", "%s cannot be read; type: sudo %s", file,
                  check->commands.again);
    else
        check_say(check, CHECK_FAIL, "files", "%s cannot be read: %s; to see why, type: ls -l %s",
                  file, strerror(errno), check_quote(check, file));
}

void check_texts(struct check *check)
{
    char *said = NULL;
    size_t len;
    struct report report = {.no_warnings = true};
    struct source source;
    const char *file, *folder = check_quote(check, check->folder);

    if (access(check->folder, F_OK) != 0) {
        check_say(check, CHECK_FAIL, "files",
                  "%s: %s; type: install -d -g " SERVICE_USER " -m 750 %s", check->folder,
                  strerror(errno), folder);
        return;
    }
    report.to = memory_stream(&said, &len);
    bool loaded = source_load(&source, &report, check->folder, NULL, &file) == 0;
    if (!loaded)
        say_unreadable(check, file);
    if (fclose(report.to) != 0)
        memory_fail();
    if (report.errors > 0)
        say_errors(check, &report, said);
    else if (loaded && !check_modes(check))
        check_say(check, CHECK_OK, "files", "%s", check->folder);
    source_free(&source);
    free(said);
}

static const char *repair(struct check *check)
{
    const char *refused = remedy_refuse(&check->pool, check->path, check->path, 0);
    struct stat st;

    if (refused != NULL)
        return refused;
    if (lstat(check->path, &st) != 0 || !S_ISREG(st.st_mode))
        return pool_format(&check->pool, "%s && %s", remedy_aside(&check->pool, check->path),
                           check->commands.build);
    return check_own(check);
}

/* Opened as the server's user, if that may read it, so that the result is the server's. */
static enum database_state open_as_server(struct check *check)
{
    bool as_server = check->user.testable && service_user_may(&check->user, check->path, R_OK);

    if (as_server)
        service_user_enter(&check->user);
    enum database_state state = database_open(&check->db, check->path);
    if (as_server)
        service_user_leave(&check->user);
    return state;
}

static void say_state(struct check *check, enum database_state state)
{
    if (state == DATABASE_UNSAFE)
        check_say(check, CHECK_FAIL, "database",
                  "%s must be a regular file that belongs to root, and that only root can change; "
                  "type: %s",
                  check->path, repair(check));
    else if (state == DATABASE_DAMAGED || state == DATABASE_OLD)
        check_say(check, CHECK_FAIL, "database", "%s %s; type: %s", check->path,
                  database_problem(state), check->commands.build);
    else if (check->db.error == EACCES && geteuid() != 0)
        check_say(check, CHECK_SKIP, "database",
                  "%s cannot be read, so what depends on it is not checked; type: sudo %s",
                  check->path, check->commands.again);
    else
        check_say(check, CHECK_FAIL, "database", "%s: %s; type: %s", check->path,
                  strerror(check->db.error), check->commands.build);
}

static void check_open_one(struct check *check)
{
    char *changed = check->has_texts ? sums_changed(check->folder, &check->db) : NULL;
    struct slice ignored;

    if (!service_user_may(&check->user, check->path, R_OK))
        check_say(check, CHECK_FAIL, "database", "%s cannot be read by " SERVICE_USER "; type: %s",
                  check->path,
                  service_user_may(&check->user, check->path, F_OK)
                      ? check_own(check)
                      : service_user_grant(&check->user, &check->pool, check->path, R_OK));
    else if (changed != NULL)
        check_say(
            check, CHECK_WARN, "database",
            "%s has changed since the last build, and the server does not use it yet; type: %s",
            changed, check->commands.build);
    else if (database_find(&check->db, "folders", (struct slice){0}, &ignored) == 0)
        check_say(check, CHECK_FAIL, "database",
                  "%s was made by an older mailslot-build, and mailboxes outside mail-root do not "
                  "work; type: %s",
                  check->path, check->commands.build);
    else if (database_find(&check->db, "texts", (struct slice){0}, &ignored) == 0)
        check_say(check, CHECK_WARN, "database",
                  "%s was made by an older mailslot-build, and cannot tell whether the files have "
                  "changed since; type: %s",
                  check->path, check->commands.build);
    else if (!check_secret(check, "database", check->path))
        check_say_good(check, "database", check->path);
    free(changed);
}

bool check_database(struct check *check)
{
    enum database_state state = open_as_server(check);

    if (state == DATABASE_OPEN && directory_settings(&check->db, &check->settings) != 0)
        state = DATABASE_DAMAGED;
    if (state == DATABASE_OPEN)
        check_open_one(check);
    else
        say_state(check, state);
    return state == DATABASE_OPEN;
}
