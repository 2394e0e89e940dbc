#include "undo.h"

#include "../base/clock.h"
#include "../base/overflow_uid.h"
#include "draft.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct undo {
    intmax_t size, end;
    uintmax_t inode;
    char id[32];
};

static void link_name(char to[NAME_MAX + 1], const char *name)
{
    snprintf(to, NAME_MAX + 1, "%s.undo", name); /* mbox_open() has checked the length */
}

int undo_make(int folder, const char *name, int fd, off_t size, off_t end, const char *id)
{
    char link[NAME_MAX + 1], text[128];
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    link_name(link, name);
    snprintf(text, sizeof text, "%jd %jd %ju %s", (intmax_t)size, (intmax_t)end,
             (uintmax_t)st.st_ino, id);
    return symlinkat(text, folder, link);
}

int undo_remove(int folder, const char *name)
{
    char link[NAME_MAX + 1];

    link_name(link, name);
    return unlinkat(folder, link, 0);
}

/* What follows undo->size; its first bytes have been read. */
struct tail {
    int fd;
    off_t at, len;
    off_t text; /* where the message begins in it, after the separators */
    size_t head_len;
    char head[8192 + DRAFT_ABOVE_MAX]; /* trace.h: the id is within this */
};

/* 1: they are here. 0: the file has become shorter. -1 with errno. */
static int read_whole(int fd, char *to, size_t len, off_t at)
{
    size_t got = 0;

    while (got < len) {
        ssize_t more = pread(fd, to + got, len - got, at + (off_t)got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            return (int)more;
        got += (size_t)more;
    }
    return 1;
}

/* Does the tail contain this? 1, 0, or -1 with errno. If it becomes shorter meanwhile, a program
 * that ignores locks is at work: 1, which leaves the mailbox as it is. */
static int contains(const struct tail *tail, const char *pattern, size_t len)
{
    char block[16384];
    size_t kept = 0;

    for (off_t at = tail->text; at < tail->len;) {
        size_t room = sizeof block - kept;
        size_t part = tail->len - at < (off_t)room ? (size_t)(tail->len - at) : room;
        int result = read_whole(tail->fd, block + kept, part, tail->at + at);
        if (result <= 0)
            return result == 0 ? 1 : -1;
        if (memmem(block, kept + part, pattern, len) != NULL)
            return 1;
        at += (off_t)part;
        size_t end = kept + part;
        kept = end < len - 1 ? end : len - 1;
        memmove(block, block + end - kept, kept);
    }
    return 0;
}

/* Does the tail begin as our messages do, after the separators? Bytes that a power cut has turned
 * to NULs match; then *lost is set. */
static bool begins(struct tail *tail, bool *lost)
{
    static const char from[] = "From ";
    size_t at = 0, matched = 0;

    *lost = false;
    while (at < tail->head_len && at < 2 && (tail->head[at] == '\n' || tail->head[at] == '\0'))
        *lost = tail->head[at++] == '\0' || *lost;
    tail->text = (off_t)at;
    for (; !*lost && matched < sizeof from - 1 && at < tail->head_len; at++, matched++) {
        *lost = tail->head[at] == '\0';
        if (!*lost && tail->head[at] != from[matched])
            return false;
    }
    return true;
}

/*
 * Is the tail our message or its beginning, but not complete, and nothing else? No program that
 * uses lock files has written to the mailbox since; one that ignores them may have. Then there is a
 * second line that begins with "From ", because in our message such lines are quoted, or the first
 * one is missing. After a power cut there may be NULs, where the file system made the file longer
 * before it wrote the bytes. 1, 0, or -1 with errno.
 */
static int is_torn(const struct undo *undo, struct tail *tail, bool ends, bool power_cut)
{
    bool full_length = (intmax_t)tail->len == undo->end - undo->size, lost_start;
    bool has_id = memmem(tail->head, tail->head_len, undo->id, strlen(undo->id)) != NULL;
    bool lost_id = power_cut && memchr(tail->head, '\0', tail->head_len) != NULL;
    int found = 0;

    if (!begins(tail, &lost_start) || (lost_start && !power_cut))
        return 0;
    if (full_length && (has_id ? !lost_start && ends : !lost_id))
        return 0;               /* it is complete, or not ours */
    if (!has_id && !lost_start) /* every message has an empty line; ours has its id before that */
        found = contains(tail, "\n\n", 2);
    if (found == 0)
        found = contains(tail, "\nFrom ", 6);
    return found < 0 ? -1 : found == 0;
}

/* The same of the file. */
static int has_torn_tail(int fd, const struct undo *undo, off_t size, bool power_cut)
{
    struct tail tail = {.fd = fd, .at = undo->size, .len = size - undo->size};
    char end[2] = "";

    tail.head_len = tail.len < (off_t)sizeof tail.head ? (size_t)tail.len : sizeof tail.head;
    int result = read_whole(fd, tail.head, tail.head_len, tail.at);
    if (result == 1 && tail.len >= 2)
        result = read_whole(fd, end, sizeof end, size - 2);
    return result == 1 ? is_torn(undo, &tail, memcmp(end, "\n\n", 2) == 0, power_cut) : result;
}

/* In /var/mail anyone may make a link. */
static bool is_trusted(const struct stat *link, const struct stat *mailbox, uid_t server)
{
    return (link->st_uid == server || link->st_uid == mailbox->st_uid || link->st_uid == 0) &&
           link->st_uid != overflow_uid();
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Is the mailbox as the process that made the link left it? Its lock file, made before the link,
 * must still be there. After a power cut nothing may have been written since the machine started:
 * the link may be one that had been removed already, and its message acknowledged. */
static bool is_untouched(const struct stat *link, const struct stat *mailbox,
                         const struct timespec *lock_made, bool power_cut)
{
    return lock_made != NULL && !is_later(lock_made, &link->st_mtim) &&
           !(power_cut && mailbox->st_mtime >= clock_boot());
}

/* Reports, then cuts, unless a program that ignores locks has changed the size meanwhile. */
static int cut(int fd, const struct undo *undo, off_t size, const struct undo_rules *rules)
{
    const struct undo_cut what = {.from = undo->size, .to = size, .id = undo->id};
    struct stat now;

    if (fstat(fd, &now) != 0)
        return -1;
    if (now.st_size != size)
        return 0;
    rules->cutting(rules->context, &what);
    return ftruncate(fd, undo->size);
}

static bool parse(const char *text, struct undo *undo)
{
    return sscanf(text, "%jd %jd %ju %31s", &undo->size, &undo->end, &undo->inode, undo->id) == 4 &&
           undo->size >= 0;
}

int undo_restore(int folder, const char *name, int fd, const struct undo_rules *rules,
                 const struct timespec *lock_made)
{
    char link[NAME_MAX + 1], text[128];
    struct stat linked, mailbox;
    struct undo undo;

    link_name(link, name);
    ssize_t len = readlinkat(folder, link, text, sizeof text - 1);
    if (len < 0)
        return errno == ENOENT || errno == EINVAL ? 0 : -1;
    text[len] = '\0';
    if (fstatat(folder, link, &linked, AT_SYMLINK_NOFOLLOW) != 0 || fstat(fd, &mailbox) != 0)
        return -1;
    bool power_cut = linked.st_mtime < clock_boot() - 1;
    bool fits = is_trusted(&linked, &mailbox, rules->server) &&
                is_untouched(&linked, &mailbox, lock_made, power_cut) && parse(text, &undo) &&
                undo.inode == mailbox.st_ino && mailbox.st_size > undo.size &&
                mailbox.st_size <= undo.end && mailbox.st_size - undo.size <= rules->longest;
    int torn = fits ? has_torn_tail(fd, &undo, mailbox.st_size, power_cut) : 0;
    if (torn < 0 || (torn == 1 && cut(fd, &undo, mailbox.st_size, rules) != 0))
        return -1;
    return unlinkat(folder, link, 0);
}
