/* check: mailboxes that another program has locked, or that nobody can lock. */
#include "../../smtpd/base/file.h"
#include "../../smtpd/mailbox/dotlock.h"
#include "../kit/nofollow.h"
#include "../kit/remedy.h"
#include "subjects.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A line of /proc/locks is `1: POSIX  ADVISORY  WRITE 1234 08:01:4711 0 EOF`. 0: not found, as on
 * an overlay, where inodes have other numbers in it. */
static pid_t find_holder(const struct stat *st)
{
    FILE *file = fopen("/proc/locks", "re");
    char line[256], kind[16];
    unsigned major, minor;
    uint64_t inode;
    int pid;
    pid_t found = 0;

    while (file != NULL && found == 0 && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%*d: %15s %*s %*s %d %x:%x:%" SCNu64, kind, &pid, &major, &minor,
                   &inode) == 5 &&
            strcmp(kind, "LEASE") != 0 && pid > 0 && inode == st->st_ino &&
            makedev(major, minor) == st->st_dev)
            found = pid;
    if (file != NULL)
        fclose(file);
    return found;
}

/* Does another process hold a lock of fcntl(2) or flock(2)? *pid 0: it is not known which one. The
 * lock that this takes for an instant does no harm, because a delivery tries again. */
static bool is_held(const char *path, const struct stat *st, pid_t *pid)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = nofollow_open(path, O_RDONLY | O_NONBLOCK);

    if (fd < 0)
        return false;
    bool held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (!held)
        held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    *pid = lock.l_type != F_UNLCK && lock.l_pid > 0 ? lock.l_pid : 0;
    if (held && *pid == 0)
        *pid = find_holder(st);
    file_close(fd);
    return held;
}

/* Reads the name of a process. mailslot's own sessions hold locks for moments, which are not
 * reported. */
static bool is_foreign(pid_t pid, char name[32])
{
    char path[64];

    strcpy(name, "a process");
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file != NULL && fgets(name, 32, file) != NULL)
        name[strcspn(name, "\n")] = '\0';
    if (file != NULL)
        fclose(file);
    return strncmp(name, "mailslot-", strlen("mailslot-")) != 0;
}

static const char *say_held(struct check *check, const char *path, pid_t pid, const char *what)
{
    char name[32];

    if (!is_foreign(pid, name))
        return NULL;
    return pool_format(&check->pool,
                       "%s is locked by %s (process %d, %s), so mail to it is deferred; if that "
                       "program hangs, type: kill %d",
                       path, name, (int)pid, what, (int)pid);
}

static const char *refuse(struct check *check, const char *lock)
{
    return remedy_refuse(&check->pool, lock, lock, check->user.uid);
}

static const char *aside(struct check *check, const char *lock)
{
    const char *refused = refuse(check, lock);

    return refused != NULL ? refused : remedy_aside(&check->pool, lock);
}

static const char *remove_lock(struct check *check, const char *lock)
{
    const char *refused = refuse(check, lock);

    return refused != NULL ? refused : pool_format(&check->pool, "rm %s", check_quote(check, lock));
}

static const char *judge_file(struct check *check, const char *path, int folder, const char *base,
                              enum check_mark *mark)
{
    const char *lock = pool_format(&check->pool, "%s.lock", path);
    const char *lock_base = pool_format(&check->pool, "%s.lock", base);
    struct stat st;

    if (fstatat(folder, lock_base, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return NULL;
    if (!S_ISREG(st.st_mode)) {
        *mark = CHECK_FAIL;
        return pool_format(
            &check->pool,
            "%s is not a lock file, so no mail can be delivered to the mailbox; type: %s", lock,
            aside(check, lock));
    }
    if (dotlock_is_stale(folder, base, &st) != 0)
        return NULL; /* the next delivery removes it */
    pid_t pid = dotlock_holder(folder, base);
    if (pid < 0)
        return NULL;
    if (pid > 0)
        return say_held(check, path, pid, lock);
    return pool_format(&check->pool,
                       "%s may be the lock of another machine, so mail to the mailbox is deferred; "
                       "if no program there uses it, type: %s",
                       lock, remove_lock(check, lock));
}

static const char *judge_kernel(struct check *check, const char *path, const struct stat *st)
{
    pid_t pid;

    if (!is_held(path, st, &pid))
        return NULL;
    if (pid > 0)
        return say_held(check, path, pid, "by fcntl or flock");
    return pool_format(&check->pool,
                       "%s is locked by another program, so mail to it is deferred; to see which "
                       "one, type: fuser -v %s",
                       path, check_quote(check, path));
}

const char *check_locked(struct check *check, const char *path, const struct stat *st,
                         enum check_mark *mark)
{
    const char *base = strrchr(path, '/') + 1, *wrong = NULL;
    const char *above = pool_copy(&check->pool, (struct slice){path, (size_t)(base - path)});
    int folder = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);

    *mark = CHECK_WARN;
    if (folder >= 0) {
        wrong = judge_file(check, path, folder, base, mark);
        close(folder);
    }
    return wrong == NULL && st != NULL ? judge_kernel(check, path, st) : wrong;
}
