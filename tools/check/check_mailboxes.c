/* check: where the mail goes. */
#include "../kit/map.h"
#include "../kit/nofollow.h"
#include "../kit/remedy.h"
#include "../kit/system_mailbox.h"
#include "../source/walk.h"
#include "check.h"
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SHOWN_MAX = 20, FILES_MIN = 100, DEVICES_MAX = 16, FULL = 1 << 20 };

struct visit {
    struct check *check;
    char *root;
    struct map folders; /* those that were looked at, and whether they are good */
    dev_t devices[DEVICES_MAX];
    size_t devices_len;
    size_t looked_at, wrong, hidden;
};

/* A mistake in one of perhaps many. */
static void say(struct visit *visit, enum check_mark mark, const char *text)
{
    if (visit->wrong++ < SHOWN_MAX)
        check_say(visit->check, mark, "mailbox", "%s", text);
}

static const char *grant(struct check *check, const char *path, int mode)
{
    return service_user_grant(&check->user, &check->pool, path, mode);
}

/* Is there room for a message, and for a new file? Once for each file system. */
static void check_space(struct visit *visit, const char *folder, dev_t device)
{
    struct check *check = visit->check;
    const char *quoted = check_quote(check, folder);
    uint64_t due = check->settings.session.max_message_size;
    struct statvfs fs;

    for (size_t i = 0; i < visit->devices_len; i++)
        if (visit->devices[i] == device)
            return;
    if (visit->devices_len == DEVICES_MAX || statvfs(folder, &fs) != 0)
        return;
    visit->devices[visit->devices_len++] = device;
    uint64_t space = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (space < due)
        check_say(check, space < FULL ? CHECK_FAIL : CHECK_WARN, "space",
                  "%s has room for %" PRIu64 " MiB, and a message may have %" PRIu64
                  "; make room, and to see it type: df -h %s",
                  folder, space >> 20, due >> 20, quoted);
    else if (fs.f_files > 0 && fs.f_favail < FILES_MIN)
        check_say(check, fs.f_favail == 0 ? CHECK_FAIL : CHECK_WARN, "space",
                  "%s has room for %ju files more; make room, and to see it type: df -i %s", folder,
                  (uintmax_t)fs.f_favail, quoted);
    else
        check_say(check, CHECK_OK, "space", "%s: %" PRIu64 " MiB", folder, space >> 20);
}

static const char *make_folder(struct check *check, const char *folder)
{
    return pool_format(&check->pool, "install -d -o " SERVICE_USER " -g " SERVICE_USER " -m 750 %s",
                       check_quote(check, folder));
}

/* Would a chown take away what is the system's or somebody's? */
static bool is_taken(const struct check *check, const char *folder, const struct stat *st)
{
    return strrchr(folder, '/') == folder || (st->st_uid != 0 && st->st_uid != check->user.uid);
}

/* Can a user change the way to a mailbox or its folder? Then root has no business there: the mail
 * of the server's would be this user's, and what root types could hit any file. */
static bool is_led_astray(struct check *check, const char *path)
{
    return remedy_refuse(&check->pool, path, path, check->user.uid) != NULL;
}

static const char *elsewhere(struct check *check, const char *path, const char *why)
{
    return pool_format(&check->pool,
                       "%s: %s, and a user can change where this path leads; give another mailbox "
                       "in %s/users, then type: %s",
                       path, why, check->folder, check->commands.build);
}

static void say_not_writable(struct check *check, const char *subject, const char *folder,
                             const struct stat *st)
{
    int error = errno;
    const char *remedy = grant(check, folder, R_OK | W_OK | X_OK);

    if (is_led_astray(check, folder) ||
        (strncmp(remedy, "chown", 5) == 0 && is_taken(check, folder, st)))
        check_say(check, CHECK_FAIL, subject,
                  "%s: " SERVICE_USER
                  " cannot write there: %s, and should not; give another folder, "
                  "for mailboxes alone, then type: %s",
                  folder, strerror(error), check->commands.build);
    else
        check_say(check, CHECK_FAIL, subject,
                  "%s: " SERVICE_USER " cannot write there: %s; type: %s", folder, strerror(error),
                  remedy);
}

static void say_no_folder(struct check *check, const char *subject, const char *folder,
                          const char *why, const char *before)
{
    if (is_led_astray(check, folder))
        check_say(check, CHECK_FAIL, subject, "%s", elsewhere(check, folder, why));
    else
        check_say(check, CHECK_FAIL, subject, "%s: %s; type: %s%s", folder, why, before,
                  make_folder(check, folder));
}

/* A folder that mailboxes are in, or mail-root. Says what is wrong with it. */
static bool check_folder(struct visit *visit, const char *subject, const char *folder)
{
    struct check *check = visit->check;
    struct missing_mount missing;
    struct stat st;

    if (mounts_find_missing(&check->pool, folder, &missing)) {
        check_say(check, CHECK_FAIL, subject,
                  "%s: nothing is mounted at %s, where %s has a file system; type: %s", folder,
                  missing.point, missing.where, missing.command);
    } else if (stat(folder, &st) != 0 && errno == EACCES && geteuid() != 0) {
        check_say(check, CHECK_SKIP, subject, "%s cannot be looked into; type: sudo %s", folder,
                  check->commands.again);
    } else if (stat(folder, &st) != 0) {
        say_no_folder(check, subject, folder, strerror(errno), "");
    } else if (!S_ISDIR(st.st_mode)) {
        say_no_folder(check, subject, folder, "is no folder",
                      pool_format(&check->pool, "%s && ", remedy_aside(&check->pool, folder)));
    } else if (!service_user_may(&check->user, folder, R_OK | W_OK | X_OK)) {
        say_not_writable(check, subject, folder, &st);
    } else if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
        check_say(check, CHECK_FAIL, subject, "everyone can write to %s; type: %s", folder,
                  remedy_chmod(&check->pool, folder, &st, "o-w"));
    } else {
        check_space(visit, folder, st.st_dev);
        return true;
    }
    return false;
}

/* The same, once for each folder. The name in the table is the pool's. */
static bool is_good_folder(struct visit *visit, const char *folder)
{
    size_t good = false;

    if (map_find(&visit->folders, slice_of(folder), &good))
        return good;
    good = check_folder(visit, "mailbox", folder);
    map_add(&visit->folders, slice_of(folder), &good);
    return good;
}

/* As the server does: a link is none of the things that a mailbox can be. */
static int look(const char *path, struct stat *st)
{
    int fd = nofollow_open(path, O_PATH);

    if (fd < 0)
        return -1;
    int result = fstat(fd, st), error = errno;
    close(fd);
    errno = result == 0 && S_ISLNK(st->st_mode) ? ELOOP : error;
    return result == 0 && S_ISLNK(st->st_mode) ? -1 : result;
}

static const struct passwd *owner_of(const char *path)
{
    size_t len = strlen(SYSTEM_MAILBOX_FOLDER);

    if (strncmp(path, SYSTEM_MAILBOX_FOLDER "/", len + 1) != 0)
        return NULL;
    return getpwnam(path + len + 1);
}

static const char *why_absent(struct check *check, const char *path, const char *folder)
{
    const struct passwd *owner = owner_of(path);
    struct stat st;

    if (stat(folder, &st) == 0 && check->user.exists && st.st_uid == check->user.uid &&
        (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return NULL; /* the server makes it */
    if (is_led_astray(check, path))
        return elsewhere(check, path, "is not there");
    const char *user = owner == NULL ? SERVICE_USER : owner->pw_name;
    const char *quoted = check_quote(check, path);
    const char *dress =
        owner == NULL
            ? pool_format(&check->pool, "chown -h " SERVICE_USER ":" SERVICE_USER " %s", quoted)
            : system_mailbox_remedy(&check->pool, path, user, owner->pw_uid);
    return pool_format(&check->pool,
                       "%s is not there, and not for the server to make; type: (umask 177; set -C; "
                       ": >%s) && %s",
                       path, quoted, dress);
}

static const char *why_linked(struct check *check, const char *path, const char *folder)
{
    char *file = realpath(path, NULL), *above = realpath(folder, NULL), *text;
    struct stat st;

    if (is_led_astray(check, path))
        text = pool_format(&check->pool, "%s",
                           elsewhere(check, path, "the server follows no symbolic link"));
    else if (file == NULL && lstat(path, &st) == 0)
        text = pool_format(&check->pool, "%s is a symbolic link to nothing; type: rm %s", path,
                           check_quote(check, path));
    else
        text =
            pool_format(&check->pool,
                        "a symbolic link is on the way to %s, and the server follows none; write "
                        "mailbox=%s%s into %s/users%s, then type: %s",
                        path, file != NULL ? file : above, file != NULL ? "" : strrchr(path, '/'),
                        check->folder, check->there, check->commands.build);
    free(file);
    free(above);
    return text;
}

/* What is wrong with a file that is there; NULL: nothing. */
static const char *why_bad(struct check *check, const char *path, const struct stat *st)
{
    const struct passwd *owner = owner_of(path);

    if (!S_ISREG(st->st_mode) || st->st_nlink > 1)
        return is_led_astray(check, path)
                   ? elsewhere(check, path, "is no regular file with one name")
                   : pool_format(&check->pool, "%s is no regular file with one name; type: %s",
                                 path, remedy_aside(&check->pool, path));
    const struct group *mail = owner == NULL ? NULL : getgrnam("mail");
    if (owner != NULL && (st->st_uid != owner->pw_uid || (st->st_mode & 07777) != 0660 ||
                          (mail != NULL && st->st_gid != mail->gr_gid)))
        return pool_format(
            &check->pool, "%s is not of owner %s, group mail and mode 0660; type: %s", path,
            owner->pw_name,
            system_mailbox_remedy(&check->pool, path, owner->pw_name, owner->pw_uid));
    if (!service_user_may(&check->user, path, R_OK | W_OK)) {
        int error = errno;
        if (is_led_astray(check, path))
            return elsewhere(check, path, "the server cannot write to it");
        const char *remedy = grant(check, path, R_OK | W_OK);
        return pool_format(&check->pool, "%s: " SERVICE_USER " cannot write to it: %s; type: %s",
                           path, strerror(error), remedy);
    }
    return NULL;
}

/* What is wrong with a mailbox in a good folder, and how much so; NULL: nothing. */
static const char *judge(struct check *check, const char *path, const char *folder, bool absolute,
                         enum check_mark *mark)
{
    struct stat st;

    *mark = CHECK_FAIL;
    if (look(path, &st) != 0) {
        if (errno == ELOOP)
            return why_linked(check, path, folder);
        const char *absent = errno == ENOENT && absolute ? why_absent(check, path, folder) : NULL;
        return absent != NULL ? absent : check_locked(check, path, NULL, mark);
    }
    const char *wrong = why_bad(check, path, &st);
    if (wrong == NULL)
        wrong = check_locked(check, path, &st, mark);
    if (wrong != NULL || (st.st_mode & S_IRWXO) == 0 || !check_is_reachable(path))
        return wrong;
    *mark = CHECK_WARN;
    return pool_format(&check->pool, "%s has a mode for everyone; type: %s", path,
                       remedy_chmod(&check->pool, path, &st, "o="));
}

static void check_mailbox(struct visit *visit, const struct directory_user *user)
{
    struct check *check = visit->check;
    const char *name = pool_copy(&check->pool, user->mailbox);
    bool absolute = *name == '/';
    const char *path = absolute ? name : pool_format(&check->pool, "%s/%s", visit->root, name);
    const char *slash = strrchr(path, '/');
    const char *folder =
        pool_copy(&check->pool, (struct slice){path, slash == path ? 1 : (size_t)(slash - path)});
    enum check_mark mark;

    visit->looked_at++;
    if (!absolute && access(folder, F_OK) != 0 && errno == ENOENT)
        return; /* the server makes it */
    if (!is_good_folder(visit, folder)) {
        visit->hidden++;
        return;
    }
    const char *wrong = judge(check, path, folder, absolute, &mark);
    if (wrong != NULL)
        say(visit, mark, wrong);
}

static void check_each(struct visit *visit)
{
    struct check *check = visit->check;
    struct directory_user user;
    struct walk record;

    walk_begin(&record, &check->db);
    while (walk_next(&record) == 1)
        if (record.kind == WALK_USER &&
            directory_user(&check->db, record.name.at, record.name.len, &user) == 1)
            check_mailbox(visit, &user);
    if (visit->wrong > SHOWN_MAX)
        check_say(check, CHECK_SKIP, "mailbox", "%zu more like these; type: %s",
                  visit->wrong - SHOWN_MAX, check->commands.again);
    else if (visit->wrong + visit->hidden == 0)
        check_say_good(check, "mailbox",
                       pool_format(&check->pool, "of %zu users", visit->looked_at));
}

void check_mailboxes(struct check *check)
{
    struct visit visit = {.check = check};
    const char *root = check->settings.mail_root;

    if (check_folder(&visit, "mail-root", root)) {
        visit.root = realpath(root, NULL); /* links on that way are the administrator's */
        check_say_good(check, "mail-root", root);
        if (visit.root != NULL)
            check_each(&visit);
        free(visit.root);
    }
    map_free(&visit.folders);
}
