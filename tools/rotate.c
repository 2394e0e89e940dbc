/*
 * mailslot-rotate(8): moves a mailbox away under its locks, and puts an empty one in its place.
 *
 * The empty file is created under the archive's name first; then the two names are exchanged in one
 * step, so that the mailbox exists at every moment. A run that is killed may leave an empty file,
 * which the next run uses.
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

/* The file that the mail is moved to. */
struct archive {
    const char *path, *name;
    int folder, fd; /* -1: not open */
    bool made;      /* by this run */
};

static int open_archive_folder(struct archive *archive, const char *path)
{
    char folder[PATH_MAX];

    *archive = (struct archive){path, strrchr(path, '/') + 1, -1, -1, false};
    if (*archive->name == '\0' || mbox_is_reserved(slice_of(archive->name)))
        return message_print(EXIT_WRONG, "%s cannot be the name of a mailbox: choose another name",
                             path);
    snprintf(folder, sizeof folder, "%.*s", (int)(archive->name - path), path);
    archive->folder = nofollow_open(folder, O_RDONLY | O_DIRECTORY);
    if (archive->folder < 0 && errno == ELOOP)
        return message_print(EXIT_WRONG, "%s contains a symbolic link: give the real path", path);
    return archive->folder >= 0 ? EXIT_DONE : message_errno(EXIT_FAILED, "cannot open %s", folder);
}

static void say_cut(const void *context, const struct undo_cut *cut)
{
    message_print(EXIT_DONE,
                  "%s: removing %jd bytes of an incomplete message that a crash has left; it was "
                  "never acknowledged",
                  (const char *)context, (intmax_t)(cut->to - cut->from));
}

/* If root runs this, it is the server's user who may have left an incomplete message.
 * max-message-size is not known here, so this is the highest possible one. */
static struct undo_rules find_rules(const char *path)
{
    const struct passwd *server = geteuid() == 0 ? getpwnam(SERVICE_USER) : NULL;

    return (struct undo_rules){
        .server = server == NULL ? geteuid() : server->pw_uid,
        .longest = (off_t)QUOTE_SIZE(1LL << 32) + TRACE_MAX,
        .cutting = say_cut,
        .context = path,
    };
}

static int take_mailbox(struct mbox *mbox, const char *path, int seconds)
{
    struct stat st;
    const struct undo_rules rules = find_rules(path);
    bool open = lstat(path, &st) == 0;

    if (!open && errno == ENOENT)
        return message_print(EXIT_ABSENT, "%s does not exist", path);
    open = open && mbox_open(mbox, &rules, NULL, slice_of(path)) == 0;
    if (open && mbox_lock(mbox, clock_ms() + (int64_t)seconds * 1000) == 0)
        return EXIT_DONE;
    if (errno == MBOX_UNSAFE)
        return message_print(
            EXIT_WRONG,
            "%s is not a regular file with a single hard link, or contains a symbolic link: give "
            "the real path",
            path);
    if (errno == MBOX_LOCKED)
        return message_print(EXIT_FAILED,
                             "%s was locked by another program for %d seconds: try again, or wait "
                             "longer with -w",
                             path, seconds);
    if (errno == MBOX_STRAY)
        return message_print(
            EXIT_FAILED, "%s.undo was not made by mailslot: examine it, then move it away", path);
    return message_errno(EXIT_FAILED, "cannot %s %s", open ? "lock" : "open", path);
}

/* An empty file may exist: a run that was killed has left it, or logrotate has created it. */
static int open_empty(struct archive *archive, const struct stat *mailbox)
{
    struct stat st;

    archive->fd = openat(archive->folder, archive->name,
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    archive->made = archive->fd >= 0;
    if (archive->fd < 0 && errno == EEXIST)
        archive->fd = openat(archive->folder, archive->name,
                             O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (archive->fd < 0 || fstat(archive->fd, &st) != 0)
        return errno == ELOOP
                   ? message_print(EXIT_WRONG, "%s is a symbolic link: choose another name",
                                   archive->path)
                   : message_errno(EXIT_FAILED, "cannot create %s", archive->path);
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || st.st_size > 0 ||
        (st.st_uid != geteuid() && st.st_uid != mailbox->st_uid))
        return message_print(EXIT_WRONG,
                             "%s already exists, and nothing is overwritten: move it away, or "
                             "choose another name",
                             archive->path);
    if (st.st_dev != mailbox->st_dev)
        return message_print(
            EXIT_WRONG,
            "%s is on a different file system from the mailbox: choose a TARGET on "
            "the same one",
            archive->path);
    return EXIT_DONE;
}

static int make_alike(const struct archive *archive, const struct stat *mailbox)
{
    struct stat st;

    if (fstat(archive->fd, &st) != 0 ||
        ((st.st_uid != mailbox->st_uid || st.st_gid != mailbox->st_gid) &&
         fchown(archive->fd, mailbox->st_uid, mailbox->st_gid) != 0) ||
        fchmod(archive->fd, mailbox->st_mode & 07777) != 0 || fsync(archive->fd) != 0)
        return message_errno(
            errno == EPERM ? EXIT_WRONG : EXIT_FAILED,
            "cannot give the new mailbox the owner, group and mode of the old one%s",
            errno == EPERM ? " (run this as root)" : "");
    return EXIT_DONE;
}

static int exchange_names(const struct mbox *mbox, const struct archive *archive)
{
    return renameat2(mbox->folder, mbox->name, archive->folder, archive->name, RENAME_EXCHANGE);
}

static bool is_file(int folder, const char *name, dev_t device, ino_t inode)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == device &&
           st.st_ino == inode;
}

/* Were these two files exchanged? The owner of a folder can replace files in it in spite of the
 * locks. */
static bool is_moved(const struct mbox *mbox, const struct archive *archive,
                     const struct stat *empty)
{
    return is_file(archive->folder, archive->name, mbox->device, mbox->inode) &&
           is_file(mbox->folder, mbox->name, empty->st_dev, empty->st_ino);
}

/* Can only root, the user who runs this, or a group change this folder? */
static bool is_trusted(int folder)
{
    struct stat st;

    return fstat(folder, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
           (st.st_mode & S_IWOTH) == 0;
}

/* If the exchange has moved anything but the mail or the empty file from a user's folder into this
 * one, it is moved back: a user's link must not stay where users cannot write. */
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

/* If a user has moved the mail away, this creates an empty mailbox. */
static void remake_mailbox(const struct mbox *mbox, const char *path)
{
    struct archive made = {.path = path, .folder = mbox->folder};
    struct stat mail;

    made.fd = openat(mbox->folder, mbox->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     0600);
    if (made.fd < 0)
        return;
    if (fstat(mbox->fd, &mail) == 0)
        make_alike(&made, &mail);
    close(made.fd);
}

/* A file was replaced in the meantime: restore the old state as far as possible. */
static void undo_exchange(const struct mbox *mbox, const struct archive *archive,
                          const struct stat *empty, const char *path)
{
    if (is_trusted(archive->folder) ||
        is_file(archive->folder, archive->name, mbox->device, mbox->inode))
        exchange_names(mbox, archive);
    send_back(mbox, empty, mbox->folder, mbox->name, archive->folder);
    send_back(mbox, empty, archive->folder, archive->name, mbox->folder);
    remake_mailbox(mbox, path);
}

static int sync_folders(const struct mbox *mbox, const struct archive *archive)
{
    int folder = openat(mbox->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = folder < 0 || fsync(folder) != 0 || fsync(archive->folder) != 0 ? -1 : 0;

    if (folder >= 0)
        close(folder);
    return result;
}

static int exchange(const struct mbox *mbox, const struct archive *archive, const char *path)
{
    struct stat empty;

    if (fstat(archive->fd, &empty) != 0 || fsync(mbox->fd) != 0)
        return message_errno(EXIT_FAILED, "cannot write %s to the disk", path);
    if (exchange_names(mbox, archive) != 0)
        return errno == EINVAL
                   ? message_print(EXIT_WRONG,
                                   "the file system of %s does not support RENAME_EXCHANGE: move "
                                   "the mail with another program, under the mailbox's locks",
                                   path)
                   : message_errno(EXIT_FAILED, "cannot move %s to %s", path, archive->path);
    if (!is_moved(mbox, archive, &empty)) {
        undo_exchange(mbox, archive, &empty, path);
        return message_print(EXIT_FAILED,
                             "%s or %s was replaced in the meantime: examine both, and try again",
                             path, archive->path);
    }
    if (sync_folders(mbox, archive) != 0)
        return message_errno(EXIT_FAILED, "%s was moved to %s, but may not be on the disk yet",
                             path, archive->path);
    return EXIT_DONE;
}

/* The mailbox is locked. */
static int move(const struct mbox *mbox, struct archive *archive, const char *path)
{
    struct stat mailbox, still;

    if (fstat(mbox->fd, &mailbox) != 0)
        return message_errno(EXIT_FAILED, "cannot examine %s", path);
    if (mailbox.st_size == 0)
        return message_print(EXIT_ABSENT, "%s is empty", path);
    int code = open_empty(archive, &mailbox);
    if (code == EXIT_DONE)
        code = make_alike(archive, &mailbox);
    if (code == EXIT_DONE)
        code = exchange(mbox, archive, path);
    if (code != EXIT_DONE && archive->made &&
        fstatat(archive->folder, archive->name, &still, AT_SYMLINK_NOFOLLOW) == 0 &&
        still.st_size == 0)
        unlinkat(archive->folder, archive->name, 0);
    return code;
}

static int rotate(const char *path, const char *target_path, int seconds)
{
    struct archive archive = {.folder = -1, .fd = -1};
    struct mbox mbox;

    if (*path != '/' || *target_path != '/')
        return message_print(EXIT_WRONG, "%s: write an absolute path",
                             *path != '/' ? path : target_path);
    mbox_init(&mbox);
    int code = open_archive_folder(&archive, target_path);
    if (code == EXIT_DONE)
        code = take_mailbox(&mbox, path, seconds);
    if (code == EXIT_DONE)
        code = move(&mbox, &archive, path);
    mbox_close(&mbox);
    if (archive.fd >= 0)
        close(archive.fd);
    if (archive.folder >= 0)
        close(archive.folder);
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
