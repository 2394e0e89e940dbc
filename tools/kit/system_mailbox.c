#include "system_mailbox.h"

#include "memory.h"
#include "message.h"
#include "nofollow.h"
#include "remedy.h"
#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE = 0660 };

int system_mailbox_find(struct system_mailbox *mailbox, struct slice user)
{
    *mailbox = (struct system_mailbox){.fd = -1, .user = memory_format("%.*s", SLICE(user))};
    errno = 0;
    const struct passwd *passwd = getpwnam(mailbox->user);
    if (passwd == NULL && errno != 0 && errno != ENOENT)
        return message_errno(EXIT_FAILED, "cannot look up the user %s", mailbox->user);
    if (passwd == NULL)
        return message_print(EXIT_ABSENT, "this machine has no user %s", mailbox->user);
    mailbox->uid = passwd->pw_uid;
    errno = 0;
    const struct group *group = getgrnam("mail");
    if (group == NULL)
        return message_print(EXIT_FAILED, "this machine has no group mail");
    mailbox->gid = group->gr_gid;
    if (geteuid() != 0)
        return message_print(EXIT_WRONG, "only root can create a mailbox for %s: run this as root",
                             mailbox->user);
    return EXIT_DONE;
}

const char *system_mailbox_remedy(struct pool *pool, const char *path, const char *user, uid_t uid)
{
    const char *refused = remedy_refuse(pool, path, path, 0);

    if (refused != NULL)
        return refused;
    return pool_format(pool, "chown -h %s:mail %s && %s", shell_quote(pool, user),
                       shell_quote(pool, path), remedy_mode(pool, path, uid, "660"));
}

static int inspect(struct system_mailbox *mailbox)
{
    struct stat st;
    int fd = nofollow_open(mailbox->path, O_PATH);
    bool found = fd >= 0 && fstat(fd, &st) == 0;

    if (fd >= 0)
        close(fd);
    if (!found)
        return message_errno(EXIT_FAILED, "cannot examine %s", mailbox->path);
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
        return message_print(
            EXIT_WRONG,
            "%s exists, but is not a regular file with a single hard link: move it away first",
            mailbox->path);
    if (st.st_uid != mailbox->uid || st.st_gid != mailbox->gid || (st.st_mode & 07777) != MODE)
        return message_print(
            EXIT_WRONG, "%s exists, but must have owner %s, group mail and mode 0660; type: %s",
            mailbox->path, mailbox->user,
            system_mailbox_remedy(&mailbox->pool, mailbox->path, mailbox->user, mailbox->uid));
    return EXIT_DONE;
}

/* It has mode 0, so that nobody can deliver to a file that may have to be removed again. */
int system_mailbox_begin(struct system_mailbox *mailbox, struct slice path)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &mailbox->signals);
    mailbox->begun = true;
    mailbox->path = memory_format("%.*s", SLICE(path));
    mailbox->fd = nofollow_open(mailbox->path, O_WRONLY | O_CREAT | O_EXCL);
    if (mailbox->fd < 0 && errno == EEXIST)
        return inspect(mailbox);
    if (mailbox->fd < 0 && errno == ELOOP)
        return message_print(EXIT_WRONG,
                             "%s contains a symbolic link, which the server does not follow: give "
                             "the user a mailbox=/PATH without one",
                             mailbox->path);
    if (mailbox->fd < 0 || fchown(mailbox->fd, mailbox->uid, mailbox->gid) != 0)
        return message_errno(EXIT_FAILED, "cannot create the mailbox %s", mailbox->path);
    return EXIT_DONE;
}

int system_mailbox_end(struct system_mailbox *mailbox, bool keep)
{
    int code = EXIT_DONE;

    if (mailbox->fd >= 0 && !keep)
        unlink(mailbox->path);
    else if (mailbox->fd >= 0 && (fchmod(mailbox->fd, MODE) != 0 || fsync(mailbox->fd) != 0))
        code = message_print(EXIT_FAILED,
                             "the user was added, but the mode of the mailbox cannot be set: %s; "
                             "type: %s",
                             strerror(errno),
                             remedy_mode(&mailbox->pool, mailbox->path, mailbox->uid, "660"));
    if (mailbox->fd >= 0)
        close(mailbox->fd);
    if (mailbox->begun)
        sigprocmask(SIG_SETMASK, &mailbox->signals, NULL);
    free(mailbox->user);
    free(mailbox->path);
    pool_free(&mailbox->pool);
    *mailbox = (struct system_mailbox){.fd = -1};
    return code;
}
