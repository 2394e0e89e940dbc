#include "lock.h"

#include "memory.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRY_MS = 50, SAY_TRIES = 1000 / TRY_MS, TRIES = 60000 / TRY_MS };

enum outcome { LOCKED, HELD, FOREIGN, FAILED /* errno */ };

struct attempt {
    pid_t pid;      /* that has the lock; 0: not known */
    struct stat st; /* of the lock file */
};

static char *held; /* the path of the lock that we hold */

void lock_release(void)
{
    if (held != NULL)
        unlink(held);
}

/* In a folder that other users can write to, they can put any file in place of the lock. */
static bool is_lock_file(const struct stat *st, const char *folder)
{
    struct stat above;

    if (!S_ISREG(st->st_mode) || st->st_nlink > 1)
        return false;
    return st->st_uid == geteuid() || st->st_uid == 0 ||
           (stat(folder, &above) == 0 && st->st_uid == above.st_uid);
}

static enum outcome judge_closed(const char *path, const char *folder, struct attempt *attempt)
{
    int error = errno;
    bool closed = error == EACCES || error == ELOOP || error == EISDIR || error == ENXIO;

    if (closed && lstat(path, &attempt->st) == 0)
        return is_lock_file(&attempt->st, folder) ? HELD : FOREIGN;
    errno = error;
    return FAILED;
}

/* The file may be one that we have just created. Only the holder of the lock may remove it. */
static enum outcome give_up(const char *path, int fd, struct flock *lock)
{
    int error = errno;

    if (fcntl(fd, F_SETLK, lock) == 0)
        unlink(path);
    close(fd);
    errno = error;
    return FAILED;
}

static enum outcome try(const char *path, const char *folder, struct attempt *attempt)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat still;

    *attempt = (struct attempt){.pid = 0};
    if (fd < 0)
        return judge_closed(path, folder, attempt);
    if (fstat(fd, &attempt->st) != 0)
        return give_up(path, fd, &lock);
    if (!is_lock_file(&attempt->st, folder)) {
        close(fd);
        return FOREIGN;
    }
    /* If the last holder has removed the file since open(), this lock is on a file without a name.
     */
    if (fcntl(fd, F_SETLK, &lock) == 0 && lstat(path, &still) == 0 &&
        attempt->st.st_dev == still.st_dev && attempt->st.st_ino == still.st_ino)
        return LOCKED; /* fd stays open, and with it the lock */
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
        attempt->pid = lock.l_pid;
    close(fd);
    return HELD;
}

static char *holder(const struct attempt *attempt)
{
    if (attempt->pid > 0)
        return memory_format("process %ld", (long)attempt->pid);
    return memory_format("a process of user %ju", (uintmax_t)attempt->st.st_uid);
}

static int fail(enum outcome outcome, const char *path, const char *folder,
                const struct attempt *attempt)
{
    if (outcome == FAILED)
        return message_errno(EXIT_FAILED, "cannot create or lock %s", path);
    if (outcome == FOREIGN)
        return message_print(EXIT_FAILED,
                             "cannot lock the folder %s: %s, which belongs to user %ju, was not "
                             "created by a mailslot tool; remove it, and use a folder that no "
                             "other user can write to",
                             folder, path, (uintmax_t)attempt->st.st_uid);
    char *who = holder(attempt);
    int code = message_print(EXIT_FAILED,
                             "cannot lock the folder %s: %s has locked %s for a minute; if no "
                             "mailslot tool is running, remove that file",
                             folder, who, path);
    free(who);
    return code;
}

int lock_folder(const char *folder)
{
    char *path = memory_format("%s/.lock", folder);
    struct attempt attempt;
    enum outcome outcome = try(path, folder, &attempt);

    for (int tries = 1; outcome == HELD && tries <= TRIES; tries++) {
        if (tries == SAY_TRIES) {
            char *who = holder(&attempt);
            message_print(0, "waiting for %s, which has locked %s", who, path);
            free(who);
        }
        usleep(TRY_MS * 1000);
        outcome = try(path, folder, &attempt);
    }
    if (outcome == LOCKED) {
        held = path;
        atexit(lock_release);
        return EXIT_DONE;
    }
    int code = fail(outcome, path, folder, &attempt);
    free(path);
    return code;
}
