/* check: mail-root, and the mailbox of each user. */
#include "../kit/map.h"
#include "../kit/remedy.h"
#include "../source/walk.h"
#include "mounts.h"
#include "subjects.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SHOWN_MAX = 20, FILES_MIN = 100, DEVICES_MAX = 16, FULL = 1 << 20 };

struct visit {
    struct check *check;
    char *root;
    struct map folders; /* those that were checked, and whether they are good */
    dev_t devices[DEVICES_MAX];
    size_t devices_len;
    size_t looked_at, wrong, hidden;
};

/* A mistake in a mailbox. Not all are printed. */
static void say(struct visit *visit, enum check_mark mark, const char *text)
{
    if (visit->wrong++ < SHOWN_MAX)
        check_say(visit->check, mark, "mailbox", "%s", text);
}

/* Is there room for a message and for a new file? Checked once for each file system. */
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
                  "%s has %" PRIu64 " MiB free, and a message may have %" PRIu64
                  " MiB; free some space; to see it, type: df -h %s",
                  folder, space >> 20, due >> 20, quoted);
    else if (fs.f_files > 0 && fs.f_favail < FILES_MIN)
        check_say(check, fs.f_favail == 0 ? CHECK_FAIL : CHECK_WARN, "space",
                  "%s has room for only %ju more files; remove some; to see it, type: df -i %s",
                  folder, (uintmax_t)fs.f_favail, quoted);
    else
        check_say(check, CHECK_OK, "space", "%s: %" PRIu64 " MiB free", folder, space >> 20);
}

static const char *make_folder(struct check *check, const char *folder)
{
    return pool_format(&check->pool, "install -d -o " SERVICE_USER " -g " SERVICE_USER " -m 750 %s",
                       check_quote(check, folder));
}

/* Would chown(1) take the folder away from the system or from another user? */
static bool is_taken(const struct check *check, const char *folder, const struct stat *st)
{
    return strrchr(folder, '/') == folder || (st->st_uid != 0 && st->st_uid != check->user.uid);
}

static void say_not_writable(struct check *check, const char *subject, const char *folder,
                             const struct stat *st)
{
    int error = errno;
    const char *remedy = service_user_grant(&check->user, &check->pool, folder, R_OK | W_OK | X_OK);

    if (check_is_diverted(check, folder) ||
        (strncmp(remedy, "chown", 5) == 0 && is_taken(check, folder, st)))
        check_say(check, CHECK_FAIL, subject,
                  "%s: " SERVICE_USER
                  " cannot write there: %s, and must not, because the folder is "
                  "not only for mail; set another one, then type: %s",
                  folder, strerror(error), check->commands.build);
    else
        check_say(check, CHECK_FAIL, subject,
                  "%s: " SERVICE_USER " cannot write there: %s; type: %s", folder, strerror(error),
                  remedy);
}

static void say_no_folder(struct check *check, const char *subject, const char *folder,
                          const char *why, const char *before)
{
    if (check_is_diverted(check, folder))
        check_say(check, CHECK_FAIL, subject, "%s", check_elsewhere(check, folder, why));
    else
        check_say(check, CHECK_FAIL, subject, "%s: %s; type: %s%s", folder, why, before,
                  make_folder(check, folder));
}

/* mail-root, or a folder with mailboxes. Reports what is wrong with it. */
static bool check_folder(struct visit *visit, const char *subject, const char *folder)
{
    struct check *check = visit->check;
    struct missing_mount missing;
    struct stat st;

    if (mounts_find_missing(&check->pool, folder, &missing)) {
        check_say(check, CHECK_FAIL, subject,
                  "%s: nothing is mounted at %s, although %s names a file system for it; type: %s",
                  folder, missing.point, missing.where, missing.command);
    } else if (stat(folder, &st) != 0 && errno == EACCES && geteuid() != 0) {
        check_say(check, CHECK_SKIP, subject, "%s cannot be searched; type: sudo %s", folder,
                  check->commands.again);
    } else if (stat(folder, &st) != 0) {
        say_no_folder(check, subject, folder, strerror(errno), "");
    } else if (!S_ISDIR(st.st_mode)) {
        say_no_folder(check, subject, folder, "is not a folder",
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

/* The same, once for each folder. The name, which becomes a key of the map, is in the pool. */
static bool is_good_folder(struct visit *visit, const char *folder)
{
    size_t good = false;

    if (map_find(&visit->folders, slice_of(folder), &good))
        return good;
    good = check_folder(visit, "mailbox", folder);
    map_add(&visit->folders, slice_of(folder), &good);
    return good;
}

static void check_user(struct visit *visit, const struct directory_user *user)
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
        return; /* the server creates it */
    if (!is_good_folder(visit, folder)) {
        visit->hidden++;
        return;
    }
    const char *wrong = check_mailbox(check, path, folder, absolute, &mark);
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
        if (record.kind == WALK_USER && directory_user(&check->db, record.name, &user) == 1 &&
            !user.in_store)
            check_user(visit, &user);
    if (visit->wrong > SHOWN_MAX)
        check_say(check, CHECK_SKIP, "mailbox",
                  "%zu more mistakes like these; when they are corrected, type: %s",
                  visit->wrong - SHOWN_MAX, check->commands.again);
    else if (visit->wrong + visit->hidden == 0)
        check_say_good(check, "mailbox", pool_format(&check->pool, "%zu users", visit->looked_at));
}

void check_mailboxes(struct check *check)
{
    struct visit visit = {.check = check};
    const char *root = check->settings.mail_root;

    if (check_folder(&visit, "mail-root", root)) {
        visit.root = realpath(root, NULL); /* links in it are the administrator's */
        check_say_good(check, "mail-root", root);
        if (visit.root != NULL)
            check_each(&visit);
        free(visit.root);
    }
    map_free(&visit.folders);
}
