/*
 * mailslot-rotate(8): moves a mailbox away under its locks, and puts an empty one in its place.
 *
 * The empty one is made under the other name first; then the two names are exchanged. That is one
 * step: there is a mailbox at every moment. If we are killed, an empty file may be left, which the
 * next run uses.
 */
#include "../smtpd/base/clock.h"
#include "../smtpd/mailbox/mbox_lock.h"
#include "../smtpd/mailbox/quote.h"
#include "../smtpd/mailbox/trace.h"
#include "kit/message.h"
#include "kit/nofollow.h"
#include "kit/program.h"
#include "kit/service_user.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_SECONDS = 30, WAIT_MAX = 86400 };

static const char help[] =
    "usage: mailslot-rotate [-w SECONDS] MAILBOX TARGET\n"
    "Locks MAILBOX, moves its mail to TARGET, and leaves an empty mailbox with the same owner,\n"
    "group and mode. Both are absolute paths on the same file system. TARGET must not exist yet,\n"
    "or must be empty.\n"
    "  -w, --wait=SECONDS  how long to wait for the mailbox's locks (30)\n"
    "      --help, --version\n"
    "Exit code: 0 moved, 1 there is no mail in MAILBOX, 100 wrong usage, 111 system failure, or\n"
    "the mailbox stayed locked.\n";

static const struct option options[] = {
    {"wait", required_argument, NULL, 'w'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* Where the mail goes. */
struct target {
    const char *path, *name;
    int folder, fd; /* -1: not open */
    bool made;      /* by us */
};

static int open_target_folder(struct target *target, const char *path)
{
    char folder[PATH_MAX];

    *target = (struct target){path, strrchr(path, '/') + 1, -1, -1, false};
    if (*target->name == '\0' || mbox_is_reserved(slice_of(target->name)))
        return message_print(EXIT_WRONG, "%s cannot be the name of a mailbox", path);
    snprintf(folder, sizeof folder, "%.*s", (int)(target->name - path), path);
    target->folder = nofollow_open(folder, O_RDONLY | O_DIRECTORY);
    if (target->folder < 0 && errno == ELOOP)
        return message_print(EXIT_WRONG, "a symbolic link is on the way to %s: give the real path",
                             path);
    return target->folder >= 0 ? EXIT_DONE : message_errno(EXIT_FAILED, "cannot open %s", folder);
}

static void tell_of_cut(const void *context, const struct undo_cut *cut)
{
    message_print(EXIT_DONE,
                  "%s: cutting off %jd bytes of a message that a crash has torn; it was never "
                  "acknowledged",
                  (const char *)context, (intmax_t)(cut->to - cut->from));
}

/* As root we find what the server's user has left. max-message-size is not known here, so take the
 * greatest that it can be. */
static struct undo_rules find_rules(const char *path)
{
    const struct passwd *server = geteuid() == 0 ? getpwnam(SERVICE_USER) : NULL;

    return (struct undo_rules){
        .server = server == NULL ? geteuid() : server->pw_uid,
        .longest = (off_t)QUOTE_SIZE(1LL << 32) + TRACE_MAX,
        .cutting = tell_of_cut,
        .context = path,
    };
}

static int take_mailbox(struct mbox *mbox, const char *path, int seconds)
{
    struct stat st;
    const struct undo_rules rules = find_rules(path);
    bool open = lstat(path, &st) == 0;

    if (!open && errno == ENOENT)
        return message_print(EXIT_ABSENT, "%s: there is no such mailbox", path);
    open = open && mbox_open(mbox, &rules, NULL, slice_of(path)) == 0;
    if (open && mbox_lock(mbox, clock_ms() + (int64_t)seconds * 1000) == 0)
        return EXIT_DONE;
    if (errno == MBOX_UNSAFE)
        return message_print(
            EXIT_WRONG,
            "%s is not a regular file with a single hard link, or a symbolic link is on the way "
            "to it: give the real path",
            path);
    if (errno == MBOX_LOCKED)
        return message_print(EXIT_FAILED,
                             "%s was locked for %d seconds by another program: try again, or wait "
                             "longer by -w",
                             path, seconds);
    if (errno == MBOX_STRAY)
        return message_print(
            EXIT_FAILED, "%s.undo was not made by mailslot: examine it, then move it away", path);
    return message_errno(EXIT_FAILED, "cannot %s %s", open ? "lock" : "open", path);
}

/* An empty file that is there already was left by a run that was killed, or put there for us. */
static int open_empty(struct target *target, const struct stat *mailbox)
{
    struct stat st;

    target->fd = openat(target->folder, target->name,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    target->made = target->fd >= 0;
    if (target->fd < 0 && errno == EEXIST)
        target->fd = openat(target->folder, target->name,
                            O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (target->fd < 0 || fstat(target->fd, &st) != 0)
        return errno == ELOOP
                   ? message_print(EXIT_WRONG, "%s is a symbolic link: take another name",
                                   target->path)
                   : message_errno(EXIT_FAILED, "cannot make %s", target->path);
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || st.st_size > 0 ||
        (st.st_uid != geteuid() && st.st_uid != mailbox->st_uid))
        return message_print(EXIT_WRONG,
                             "%s is there already, and nothing is overwritten: move it "
                             "away, or take another name",
                             target->path);
    if (st.st_dev != mailbox->st_dev)
        return message_print(EXIT_WRONG,
                             "%s is on another file system than the mailbox: it can only be moved "
                             "within one",
                             target->path);
    return EXIT_DONE;
}

static int make_alike(const struct target *target, const struct stat *mailbox)
{
    struct stat st;

    if (fstat(target->fd, &st) != 0 ||
        ((st.st_uid != mailbox->st_uid || st.st_gid != mailbox->st_gid) &&
         fchown(target->fd, mailbox->st_uid, mailbox->st_gid) != 0) ||
        fchmod(target->fd, mailbox->st_mode & 07777) != 0 || fsync(target->fd) != 0)
        return message_errno(
            errno == EPERM ? EXIT_WRONG : EXIT_FAILED,
            "cannot give the new mailbox the owner, group and mode of the old one%s",
            errno == EPERM ? " (run this as root)" : "");
    return EXIT_DONE;
}

static int exchange_names(const struct mbox *mbox, const struct target *target)
{
    return renameat2(mbox->folder, mbox->name, target->folder, target->name, RENAME_EXCHANGE);
}

static bool is_file(int folder, const char *name, dev_t device, ino_t inode)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == device &&
           st.st_ino == inode;
}

/* Was it the mail that was exchanged for the empty file? The owner of a folder can do anything
 * there, whatever is locked. */
static bool is_moved(const struct mbox *mbox, const struct target *target, const struct stat *empty)
{
    return is_file(target->folder, target->name, mbox->device, mbox->inode) &&
           is_file(mbox->folder, mbox->name, empty->st_dev, empty->st_ino);
}

/* Can only root, we, or a system group change this folder? */
static bool is_trusted(int folder)
{
    struct stat st;

    return fstat(folder, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
           (st.st_mode & S_IWOTH) == 0;
}

/* If an exchange has brought something else than the mail or the empty file into this folder from a
 * user's, it goes back: a user's link must not stay where users cannot write. */
static void send_back(const struct mbox *mbox, const struct stat *empty, int folder,
                      const char *name, int from)
{
    char other[NAME_MAX + 1];

    if (is_trusted(from) || is_file(folder, name, mbox->device, mbox->inode) ||
        is_file(folder, name, empty->st_dev, empty->st_ino))
        return;
    snprintf(other, sizeof other, "%.200s.%ld", name, (long)getpid());
    if (renameat2(folder, name, from, other, RENAME_NOREPLACE) != 0)
        unlinkat(folder, name, 0);
}

/* If a user has moved the mail elsewhere, there is an empty mailbox again. */
static void remake_mailbox(const struct mbox *mbox, const char *path)
{
    struct target made = {.path = path, .folder = mbox->folder};
    struct stat mail;

    made.fd = openat(mbox->folder, mbox->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     0600);
    if (made.fd < 0)
        return;
    if (fstat(mbox->fd, &mail) == 0)
        make_alike(&made, &mail);
    close(made.fd);
}

/* Something was replaced meanwhile: restore what was there, as far as possible. */
static void undo_exchange(const struct mbox *mbox, const struct target *target,
                          const struct stat *empty, const char *path)
{
    if (is_trusted(target->folder) ||
        is_file(target->folder, target->name, mbox->device, mbox->inode))
        exchange_names(mbox, target);
    send_back(mbox, empty, mbox->folder, mbox->name, target->folder);
    send_back(mbox, empty, target->folder, target->name, mbox->folder);
    remake_mailbox(mbox, path);
}

static int sync_folders(const struct mbox *mbox, const struct target *target)
{
    int folder = openat(mbox->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = folder < 0 || fsync(folder) != 0 || fsync(target->folder) != 0 ? -1 : 0;

    if (folder >= 0)
        close(folder);
    return result;
}

static int exchange(const struct mbox *mbox, const struct target *target, const char *path)
{
    struct stat empty;

    if (fstat(target->fd, &empty) != 0 || fsync(mbox->fd) != 0)
        return message_errno(EXIT_FAILED, "cannot bring %s to the disk", path);
    if (exchange_names(mbox, target) != 0)
        return errno == EINVAL
                   ? message_print(EXIT_WRONG, "the file system of %s cannot exchange two names",
                                   path)
                   : message_errno(EXIT_FAILED, "cannot move %s to %s", path, target->path);
    if (!is_moved(mbox, target, &empty)) {
        undo_exchange(mbox, target, &empty, path);
        return message_print(EXIT_FAILED,
                             "%s or %s was replaced meanwhile: look at both, and try again", path,
                             target->path);
    }
    if (sync_folders(mbox, target) != 0)
        return message_errno(EXIT_FAILED, "%s is moved to %s, but perhaps not on the disk yet",
                             path, target->path);
    return EXIT_DONE;
}

/* The mailbox is locked. */
static int move(const struct mbox *mbox, struct target *target, const char *path)
{
    struct stat mailbox, still;

    if (fstat(mbox->fd, &mailbox) != 0)
        return message_errno(EXIT_FAILED, "cannot look at %s", path);
    if (mailbox.st_size == 0)
        return message_print(EXIT_ABSENT, "%s: there is no mail in it", path);
    int code = open_empty(target, &mailbox);
    if (code == EXIT_DONE)
        code = make_alike(target, &mailbox);
    if (code == EXIT_DONE)
        code = exchange(mbox, target, path);
    if (code != EXIT_DONE && target->made &&
        fstatat(target->folder, target->name, &still, AT_SYMLINK_NOFOLLOW) == 0 &&
        still.st_size == 0)
        unlinkat(target->folder, target->name, 0);
    return code;
}

static int rotate(const char *path, const char *target_path, int seconds)
{
    struct target target = {.folder = -1, .fd = -1};
    struct mbox mbox;

    if (*path != '/' || *target_path != '/')
        return message_print(EXIT_WRONG, "%s: write an absolute path",
                             *path != '/' ? path : target_path);
    mbox_init(&mbox);
    int code = open_target_folder(&target, target_path);
    if (code == EXIT_DONE)
        code = take_mailbox(&mbox, path, seconds);
    if (code == EXIT_DONE)
        code = move(&mbox, &target, path);
    mbox_close(&mbox);
    if (target.fd >= 0)
        close(target.fd);
    if (target.folder >= 0)
        close(target.folder);
    return code;
}

int main(int argc, char **argv)
{
    int seconds = WAIT_SECONDS, option;
    char *end;

    program_start();
    umask(077);
    while ((option = getopt_long(argc, argv, "w:", options, NULL)) != -1)
        switch (option) {
        case 'w':
            seconds = (int)strtoul(optarg, &end, 10);
            if (*optarg < '0' || *optarg > '9' || *end != '\0' || strlen(optarg) > 5 ||
                seconds > WAIT_MAX)
                return message_print(EXIT_WRONG, "-w %s: write a number of seconds, at most %d",
                                     optarg, WAIT_MAX);
            break;
        case 'v':
            return program_version();
        default:
            return program_help(option == 'h', help);
        }
    if (argc - optind > 2)
        return program_unexpected(argv[optind + 2], help);
    if (argc - optind < 2)
        return program_help(false, help);
    return program_finish(rotate(argv[optind], argv[optind + 1], seconds));
}
